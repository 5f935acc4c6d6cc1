//go:build !linux

package servers

import "syscall"

// diesWithThread has no such means here: killed tests leave their servers
// behind.
func diesWithThread() *syscall.SysProcAttr { return nil }
