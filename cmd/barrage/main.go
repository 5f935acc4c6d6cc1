// Command barrage runs a node of the live comment system, and talks to one.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run answers the exit status: 0, 1 for a failure, 2 for bad usage.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	command, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "barrage: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(errOut, "See '%s --help'.\n", command.CommandPath())
		return 2
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "barrage",
		Short: "A live comment system: post, see live, scroll back",
		Long: `Barrage (弹幕) is a live comment system: viewers of a live video post
comments, everyone watching sees them within milliseconds, and whoever joins
later scrolls back through history.`,
		Example: `  barrage serve --auth-guest               start a node; see http://127.0.0.1:8080
  barrage post my-show 'Hello!' --guest Ann
  barrage tail my-show                     watch the comments in a terminal`,
		Args:          onlyCommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		newServeCommand(),
		newPostCommand(),
		newTailCommand(),
		newTokenCommand(),
		newExportCommand(),
		newImportCommand(),
		newBenchCommand(),
		newClickHouseCommand(),
		newClusterCommand(),
		newSettingsCommand(),
		newVersionCommand(),
	)
	return root
}
