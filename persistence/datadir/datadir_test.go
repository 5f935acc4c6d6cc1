package datadir

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const holdEnv = "BARRAGE_TEST_HOLD"

// TestMain lets the test binary be the other process.
func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		if _, err := Acquire(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestASecondProcessIsRefusedUntilTheFirstEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "data")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdEnv+"="+dir)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q", line)
	}
	_, err = Acquire(dir)
	if !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	for _, part := range []string{dir, "in use by another barrage process", "pid " + strconv.Itoa(other.Process.Pid)} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	_ = stdin.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("twice in one process: %v", err)
	}
	if l.Dir() != dir {
		t.Errorf("dir %s", l.Dir())
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Release()
}

func TestTheFolderIsForItsUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Release() }()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAFolderThatCannotBeUsedIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/self/data"} {
		if _, err := Acquire(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, c := range []struct {
		cause error
		want  string
	}{
		{&os.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, "read-only"},
		{&os.PathError{Op: "open", Path: "x", Err: os.ErrPermission}, "not writable for this user"},
		{errors.New("other"), "other"},
	} {
		if err := notWritable("folder", c.cause); !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "folder") ||
			!errors.Is(err, c.cause) {
			t.Errorf("%v", err)
		}
	}
}

func TestTheNodeNumberIsDrawnOnceAndKept(t *testing.T) {
	seen := map[int]bool{}
	for range 40 {
		dir := t.TempDir()
		n, err := NodeNumber(dir)
		if err != nil || n < 0 || n >= NodeNumbers {
			t.Fatalf("%d, %v", n, err)
		}
		if again, err := NodeNumber(dir); err != nil || again != n {
			t.Fatalf("%d, then %d, %v", n, again, err)
		}
		seen[n] = true
	}
	if len(seen) < 30 {
		t.Errorf("%d different numbers of 40", len(seen))
	}
}

func TestADamagedNodeNumberIsAnErrorAndNotANewNumber(t *testing.T) {
	for _, content := range []string{"", "x", "-1", "1024", "1 2"} {
		dir := t.TempDir()
		path := filepath.Join(dir, nodeNumberName)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NodeNumber(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestTheSecretIsMadeOnceByWhoeverComesFirst(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSecret(dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
	secrets := make([][]byte, 16)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if secrets[i], err = Secret(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	read, err := ReadSecret(dir)
	if err != nil || len(read) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		t.Fatalf("%d bytes, %v", len(read), err)
	}
	for _, s := range secrets {
		if string(s) != string(read) {
			t.Error("secrets differ")
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	if info, err := os.Stat(filepath.Join(dir, secretName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if other, err := Secret(t.TempDir()); err != nil || string(other) == string(read) {
		t.Errorf("another folder's secret is the same, %v", err)
	}
}

func TestASecretOthersCanReadOrThatIsNoneIsRefused(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString(make([]byte, secretBytes))
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		ok            bool
	}{
		{"good", good, 0o600, true},
		{"read-only", good, 0o400, true},
		{"with newline", good + "\n", 0o600, true},
		{"chosen by the operator", "correct horse battery staple, and more", 0o600, true},
		{"group", good, 0o640, false},
		{"world", good, 0o604, false},
		{"executable", good, 0o700, false},
		{"empty", "", 0o600, false},
		{"short", good[:secretBytes-1], 0o600, false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, secretName)
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]func(string) ([]byte, error){"Secret": Secret, "ReadSecret": ReadSecret} {
			got, err := f(dir)
			if (err == nil) != c.ok || c.ok && string(got) != strings.TrimSpace(c.content) {
				t.Errorf("%s, %s: %d bytes, %v", name, c.name, len(got), err)
			}
			if err != nil && (!strings.Contains(err.Error(), path) || c.content != "" && strings.Contains(err.Error(), c.content)) {
				t.Errorf("%s, %s: %v", name, c.name, err)
			}
		}
	}
}
