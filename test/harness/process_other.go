//go:build !linux

package harness

import "syscall"

// diesWithTests has no such means here: a killed test leaves its nodes behind.
func diesWithTests() *syscall.SysProcAttr { return nil }
