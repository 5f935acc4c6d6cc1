package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"barrage/test/harness"
)

// barrage runs a command to its end.
func barrage(t *testing.T, stdin string, args ...string) (out, errOut string, status int) {
	t.Helper()
	cmd := harness.Command(t, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestTokenCommandMakesTokensThatTheNodeTakes(t *testing.T) {
	n := harness.Start(t)
	token, errOut, status := barrage(t, "", "token", "--data", n.Data, "--user", "ann", "--name", "Ann Lee", "--role", "moderator", "--ttl", "5m")
	if status != 0 {
		t.Fatal(errOut)
	}
	c := post(t, n.Client(strings.TrimSpace(token)), "room", "hello")
	if c.UserID != "ann" || c.UserName != "Ann Lee" {
		t.Errorf("got %+v", c)
	}
	bobs := post(t, n.User("bob", "viewer"), "room", "rude")
	if err := n.Client(strings.TrimSpace(token)).Delete(t.Context(), "room", bobs.ID); err != nil {
		t.Errorf("as a moderator: %v", err)
	}
}

func TestPostCommand(t *testing.T) {
	n := harness.Start(t, harness.Flags("--auth-guest"))
	for name, row := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"guest": {"", []string{"one", "--guest", "Ann"}, "Ann: one"},
		"user":  {"", []string{"two", "--user", "bob", "--name", "Bob", "--data", n.Data}, "Bob: two"},
		"token": {"", []string{"three", "--token", n.Token("cy", "viewer")}, ": three"},
		"stdin": {"four\nlines\n", []string{"-", "--user", "d", "--data", n.Data}, ": four\nlines"},
	} {
		out, errOut, status := barrage(t, row.stdin, append([]string{"post", name, "--url", n.URL}, row.args...)...)
		all := history(t, n.Anyone(), name)
		if status != 0 || len(all) != 1 || strings.TrimSpace(out) != all[0].ID || all[0].UserName+": "+all[0].Message != row.want {
			t.Errorf("%s: status %d, %q, %q, history %+v", name, status, out, errOut, all)
		}
	}
	same := []string{"post", "room", "once", "--url", n.URL, "--user", "ann", "--data", n.Data, "--idempotency-key", "k"}
	first, _, _ := barrage(t, "", same...)
	again, _, _ := barrage(t, "", same...)
	if first != again || len(history(t, n.Anyone(), "room")) != 1 {
		t.Errorf("the same key gave %q and %q", first, again)
	}
}

func TestPostCommandWaitsForANodeThatIsAway(t *testing.T) {
	n := harness.Start(t)
	token := n.Token("ann", "viewer")
	n.Kill()
	out := start(t, harness.Command(t, "post", "room", "patience", "--url", n.URL, "--token", token))
	eventually(t, func() error {
		if !bytes.Contains(out.Bytes(), []byte("trying again")) {
			return fmt.Errorf("it says %q", out.Bytes())
		}
		return nil
	})
	n.Start()
	eventually(t, func() error {
		if all := history(t, n.Anyone(), "room"); len(all) != 1 || all[0].Message != "patience" {
			return fmt.Errorf("history is %+v; it says %q", all, out.Bytes())
		}
		return nil
	})
}

func TestTailCommandFollowsOverACrashAndShowsDeletions(t *testing.T) {
	n := harness.Start(t, harness.Flags("--stream-retry=100ms", "--stream-retry-jitter=50ms"))
	ops := n.User("ops", "admin")
	post(t, ops, "a", "before")
	gone := post(t, ops, "b", "to be deleted")
	out := start(t, harness.Command(t, "tail", "a", "b", "--url", n.URL))
	says := func(want string) {
		t.Helper()
		eventually(t, func() error {
			if !strings.Contains(string(out.Bytes()), want) {
				return fmt.Errorf("no %q in %q", want, out.Bytes())
			}
			return nil
		})
	}
	says("[a] ops: before\n")
	says("[b] ops: to be deleted\n")
	post(t, ops, "a", "two\nlines")
	says("[a] ops: two⏎lines\n")
	if err := ops.Delete(t.Context(), "b", gone.ID); err != nil {
		t.Fatal(err)
	}
	says("comment " + gone.ID + " was deleted\n")
	n.Kill()
	n.Start()
	post(t, ops, "a", "after the crash")
	says("[a] ops: after the crash\n")
	if strings.Count(string(out.Bytes()), "before") != 1 {
		t.Errorf("something came twice: %q", out.Bytes())
	}
}

func TestWrongUseIsSaidPlainly(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "wrong.yaml")
	if err := os.WriteFile(config, []byte("stream:\n  heartbeat: abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"nonsense"}, 2, `"nonsense"`},
		{[]string{"serve", "--nonsense"}, 2, "--nonsense"},
		{[]string{"serve", "extra"}, 2, "no argument"},
		{[]string{"serve", "--log-level", "loud"}, 2, "log_level"},
		{[]string{"serve", "--config", config}, 1, `stream.heartbeat: "abc" is not a duration`},
		{[]string{"serve", "--config", config + ".none"}, 1, config + ".none"},
		{[]string{"token"}, 2, "--user"},
		{[]string{"token", "--user", "a", "--role", "king"}, 2, "king"},
		{[]string{"token", "--user", "a", "--data", dir}, 1, "no secret"},
		{[]string{"post", "room"}, 2, "a live video and a text"},
		{[]string{"post", "a/b", "x", "--guest", "Ann"}, 2, "a/b"},
		{[]string{"post", "room", "x"}, 2, "who posts"},
		{[]string{"post", "room", "x", "--guest", "Ann", "--url", "nowhere"}, 2, "nowhere"},
		{[]string{"tail"}, 2, "live videos"},
		{[]string{"tail", "room", "--history", "201"}, 2, "201"},
	} {
		out, errOut, status := barrage(t, "", row.args...)
		if status != row.status || !strings.Contains(errOut, row.want) || out != "" || strings.Contains(errOut, "goroutine ") {
			t.Errorf("%v: status %d, %q, %q", row.args, status, out, errOut)
		}
	}
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"version"}, {"settings"}, {}} {
		if out, errOut, status := barrage(t, "", args...); status != 0 || out == "" || errOut != "" {
			t.Errorf("%v: status %d, %q, %q", args, status, out, errOut)
		}
	}
}

func TestPostCommandSaysWhatTheNodeSays(t *testing.T) {
	n := harness.Start(t)
	_, errOut, status := barrage(t, "", "post", "room", "x", "--guest", "Ann", "--url", n.URL)
	if status != 1 || !strings.Contains(errOut, fmt.Sprint(http.StatusNotFound)) && !strings.Contains(errOut, fmt.Sprint(http.StatusForbidden)) {
		t.Errorf("status %d, %q", status, errOut)
	}
	_, errOut, status = barrage(t, "", "post", "room", strings.Repeat("x", 501), "--user", "ann", "--data", n.Data, "--url", n.URL)
	if status != 1 || !strings.Contains(errOut, "400") || !strings.Contains(errOut, "500") {
		t.Errorf("status %d, %q", status, errOut)
	}
}
