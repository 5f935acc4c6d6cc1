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
	"testing"
)

// EnvBinary names a binary to test instead of building one.
const EnvBinary = "BARRAGE_BIN"

var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Main runs the tests of a package and removes the binary afterwards.
func Main(m *testing.M) {
	status := m.Run()
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, "removing the test binary:", err)
		}
	}
	os.Exit(status)
}

// Binary answers the path of the barrage binary, which is built at the first
// call. With the race detector on in the tests, the binary has it too.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() { built.path, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func build() (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "barrage-test-")
	if err != nil {
		return "", err
	}
	built.dir = dir
	path := filepath.Join(dir, "barrage")
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "barrage/cmd/barrage")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return path, nil
}
