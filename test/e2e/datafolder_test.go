package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/harness"
)

// expectRefused starts a node that must end by itself, with status 1 and a
// last word that has all of the given words in it.
func expectRefused(t *testing.T, n *harness.Node, words ...string) {
	t.Helper()
	n.Launch()
	began := time.Now()
	if status := n.Wait(); status != 1 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to say no", took)
	}
	logs := strings.TrimSpace(n.Logs())
	said := strings.ToLower(logs[strings.LastIndexByte(logs, '\n')+1:])
	for _, word := range words {
		found := false
		for _, either := range strings.Split(word, "|") {
			found = found || strings.Contains(said, strings.ToLower(either))
		}
		if !found {
			t.Errorf("it said %q, without %q", said, word)
		}
	}
	if strings.Contains(logs, "goroutine ") {
		t.Error("it panicked")
	}
}

func TestSecondProcessOnTheSameDataIsRefused(t *testing.T) {
	n := harness.Start(t)
	mark := post(t, n.User("ann", "viewer"), "room", "hello")
	expectRefused(t, harness.New(t, harness.DataFolder(n.Data)), n.Data, "in use|another")
	post(t, n.User("ann", "viewer"), "room", "the first goes on")
	n.Kill()
	second := harness.Start(t, harness.DataFolder(n.Data)) // a crash leaves no lock behind
	if got := history(t, second.Anyone(), "room"); len(got) != 2 || got[0] != mark {
		t.Errorf("history is %+v", got)
	}
}

func TestSameAddressTwiceIsRefused(t *testing.T) {
	n := harness.Start(t)
	expectRefused(t, harness.New(t, harness.Flags("--http", n.Addr)), n.Addr, "in use")
}

func TestDataFolderThatIsAFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	expectRefused(t, harness.New(t, harness.DataFolder(path)), path, "not a directory|not a folder")
}

func TestReadOnlyDataFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		expectRefused(t, harness.New(t, harness.DataFolder(dir)), dir, "permission|read-only")
		return
	}
	needsMount(t) // root may write everywhere else
	mount(t, dir, "size=16m")
	if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	expectRefused(t, harness.New(t, harness.DataFolder(dir)), dir, "read-only")
}

// A folder that was in use and becomes read-only, as after a disk error: it is
// still refused with a word.
func TestUsedDataFolderThatBecameReadOnlyIsRefused(t *testing.T) {
	needsMount(t)
	dir := t.TempDir()
	mount(t, dir, "size=64m")
	n := harness.Start(t, harness.DataFolder(filepath.Join(dir, "data")), roomy)
	post(t, n.User("ann", "viewer"), "room", "hello")
	n.Terminate()
	if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	expectRefused(t, harness.New(t, harness.DataFolder(n.Data), roomy), n.Data, "read-only")
}

func TestSecretIsForItsOwnerOnly(t *testing.T) {
	n := harness.Start(t)
	info, err := os.Stat(filepath.Join(n.Data, "jwt-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// mount puts an empty file system in memory at dir for the length of the test.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mounting at %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}
