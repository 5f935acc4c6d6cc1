package servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// npmPatience is how long the packages may take to come: they are large.
const npmPatience = 5 * time.Minute

// ModernResult is what a statement answered: every value as text, NULL for
// what is null, times as the server writes them.
type ModernResult struct {
	Rows  [][]string `json:"rows"`
	Error string     `json:"error"` // "": none
}

var modern struct {
	once   sync.Once
	folder string
	err    error
}

// RunModern runs statements on the engine of a current ClickHouse, one after
// the other in one session that begins empty, and answers one result for each.
// A statement that fails doesn't keep the next from running.
func RunModern(t testing.TB, statements []string) []ModernResult {
	t.Helper()
	needs(t, "chDB", func() error {
		modern.once.Do(func() { modern.folder, modern.err = installModern() })
		return modern.err
	})
	in, err := json.Marshal(map[string][]string{"statements": statements})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "run.mjs")
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = modern.folder, bytes.NewReader(in), &stderr
	// It makes its data folder there, and may be killed before it removes it.
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chDB: %v\n%s", err, stderr.String())
	}
	var answer struct{ Results []ModernResult }
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Results) != len(statements) {
		t.Fatalf("chDB answered %.300q: %v", out, err)
	}
	return answer.Results
}

// installModern answers the folder of chDB's packages, which are fetched
// unless those that package-lock.json names are there.
func installModern() (string, error) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", err
		}
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "test", "chdb")
	lockfile, err := os.Open(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return "", err
	}
	defer lockfile.Close()
	// Packages of tests run at the same time: one fetches, the others wait.
	if err := syscall.Flock(int(lockfile.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", lockfile.Name(), err)
	}
	wanted, err := os.ReadFile(lockfile.Name())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(wanted)
	stamp, state := filepath.Join(folder, "node_modules", ".installed"), hex.EncodeToString(sum[:])
	if installed, err := os.ReadFile(stamp); err == nil && string(installed) == state {
		return folder, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), npmPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %.300s", err, bytes.TrimSpace(out))
	}
	// npm ci removes the folder first: the stamp says that it got to its end.
	return folder, os.WriteFile(stamp, []byte(state), 0o600)
}

// moduleRoot is the folder with go.mod: tests run in that of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working folder")
		}
		dir = parent
	}
}
