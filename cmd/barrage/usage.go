package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError is a mistake in how the command was written.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func badUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// argsAre checks the number of arguments; want says in words what they are.
// A negative most is no limit.
func argsAre(least, most int, want string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return badUsage("expected %s, got %d argument(s)", want, len(args))
		}
		return nil
	}
}

func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %q?", near[0])
	}
	return badUsage("no command %q%s", args[0], hint)
}
