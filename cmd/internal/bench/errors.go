package bench

import (
	"errors"
	"fmt"
)

var (
	// ErrUsage is wrapped by errors about flags that make no sense.
	ErrUsage = errors.New("bad usage")

	// ErrIncorrect is wrapped by the error of a run in which a comment was
	// lost, doubled or out of order, or in which a stream made no sense.
	ErrIncorrect = errors.New("the streams were not correct")
)

// usage is an error that is ErrUsage without saying so in its text.
type usage struct{ error }

func (u usage) Is(target error) bool { return target == ErrUsage }
func (u usage) Unwrap() error        { return u.error }

func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }
