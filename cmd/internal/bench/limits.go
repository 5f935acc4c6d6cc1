package bench

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// spareFiles are the descriptors a process needs beside its sockets: the
// standard streams, the epolls, reports, the pipes of a child.
const spareFiles = 64

// checkOpenFiles raises the soft limit of open files as far as it may go, and
// refuses a run that would not fit.
func (c *Config) checkOpenFiles() error {
	need := uint64(c.Viewers) + uint64(c.PostWorkers) + spareFiles //nolint:gosec // both are positive, see validateNumbers
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if need <= lim.Cur {
		return nil
	}
	if need <= lim.Max {
		lim.Cur = lim.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
			return fmt.Errorf("raise the limit of open files: %w", err)
		}
		return nil
	}
	return usagef("%d viewers and %d posting connections need %d open files, and this process may open %d (ulimit -n): use fewer viewers, or several bench processes",
		c.Viewers, c.PostWorkers, need, lim.Max)
}

// isTerminal says whether a file descriptor is a terminal.
func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
