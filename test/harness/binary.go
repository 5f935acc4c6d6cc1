// Package harness starts real nodes for black-box tests and talks to them as
// a client would.
//
// A package of tests calls Main from its TestMain, and Start for each node.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Variables that name binaries to test instead of building them.
const (
	EnvBinary      = "BARRAGE_BIN"
	EnvFaultBinary = "BARRAGE_BIN_FAULTS" // built with -tags faults
)

// binary is built once, when the first test needs it.
type binary struct {
	env, name string
	flags     []string
	once      sync.Once
	path      string
	err       error
}

var (
	usual  = binary{env: EnvBinary, name: "barrage"}
	faulty = binary{env: EnvFaultBinary, name: "barrage-faults", flags: []string{"-tags", "faults"}}
	// builtIn is the folder of what was built.
	builtIn = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "barrage-test-") })
	// built is whether there is such a folder.
	built atomic.Bool
)

// Main runs the tests of a package and removes the binaries afterwards.
func Main(m *testing.M) {
	status := m.Run()
	if built.Load() {
		dir, err := builtIn()
		if err == nil {
			err = os.RemoveAll(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "removing the test binaries:", err)
		}
	}
	os.Exit(status)
}

// Binary answers the path of the barrage binary, which is built at the first
// call. With the race detector on in the tests, the binary has it too.
func Binary(t testing.TB) string { return usual.get(t) }

// FaultBinary is like Binary, of one that has fault points: BARRAGE_FAULT tells
// it at which of them to die.
func FaultBinary(t testing.TB) string { return faulty.get(t) }

func (b *binary) get(t testing.TB) string {
	t.Helper()
	b.once.Do(func() { b.path, b.err = b.build() })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func (b *binary) build() (string, error) {
	if path := os.Getenv(b.env); path != "" {
		return filepath.Abs(path)
	}
	built.Store(true)
	dir, err := builtIn()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, b.name)
	args := append([]string{"build", "-o", path}, b.flags...)
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "barrage/cmd/barrage")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return path, nil
}
