package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// inside runs f on a thread that is in a namespace: sockets that f itself
// makes belong there, whoever uses them later. Goroutines that f starts are
// outside.
func inside(namespace string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		// A goroutine that returns while it is locked takes its thread with it,
		// so that nobody gets one which is still inside.
		runtime.LockOSThread()
		outside, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer outside.Close()
		if err := enter(namespace); err != nil {
			done <- err
			return
		}
		err = f()
		if unix.Setns(int(outside.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func enter(namespace string) error {
	file, err := os.Open(filepath.Join(folder, namespace))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering %s: %w", file.Name(), err)
	}
	return nil
}
