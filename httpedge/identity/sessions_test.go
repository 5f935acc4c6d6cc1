package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/actors"
)

func TestSessionsOfAFileAreResolved(t *testing.T) {
	c := newClock()
	sum := sha256.Sum256([]byte("bob's token"))
	for name, document := range map[string]string{
		"YAML": `
ann-token: {userId: ann, name: "Ann 安\n", role: moderator, expires: ` + c.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `}
"sha256:` + hex.EncodeToString(sum[:]) + `":
  userId: bob
`,
		"JSON": fmt.Sprintf(`{"ann-token":{"userId":"ann","name":"Ann 安","role":"moderator","expires":%q},"sha256:%X":{"userId":"bob","role":"viewer"}}`,
			c.Now().Add(time.Minute).Format(time.RFC3339), sum),
	} {
		from := c.Now()
		a := newTestAuthority(t, func(config *Config) { config.Now, config.SessionsFile = c.Now, writeFile(t, document) })
		g, err := a.Session(t.Context(), "ann-token")
		if err != nil || g.User != (User{ID: "ann", Name: "Ann 安", Role: RoleModerator}) {
			t.Fatalf("%s: %+v, %v", name, g, err)
		}
		if g, err := a.Bearer(t.Context(), "bob's token"); err != nil || g.User != (User{ID: "bob", Role: RoleViewer}) || g.Remote() {
			t.Errorf("%s: by its digest: %+v, %v", name, g, err)
		}
		for _, token := range []string{"", "bob", "sha256:" + hex.EncodeToString(sum[:]), strings.Repeat("x", MaxTokenBytes+1)} {
			if g, err := a.Session(t.Context(), token); !isInvalid(err) {
				t.Errorf("%s: %.20q: %+v, %v", name, token, g, err)
			}
		}
		c.pass(time.Minute)
		if _, err := a.Session(t.Context(), "ann-token"); !isInvalid(err) {
			t.Errorf("%s: expired: %v", name, err)
		}
		if err := a.Again(t.Context(), g); !isInvalid(err) {
			t.Errorf("%s: a stream of it: %v", name, err)
		}
		c.pass(from.Sub(c.Now()))
	}
}

func TestASessionsFileThatIsWrongIsRefusedWithoutQuotingIt(t *testing.T) {
	const token = "a-token-that-is-secret"
	for name, document := range map[string]string{
		"empty":             "",
		"spaces":            "  \n",
		"a list":            "- " + token,
		"a text":            token,
		"no session":        token + ": ann",
		"null session":      token + ":",
		"no user":           token + ": {name: Ann}",
		"user too long":     token + ": {userId: " + strings.Repeat("x", actors.MaxUserID+1) + "}",
		"control in user":   token + `: {userId: "a\u0000b"}`,
		"unknown key":       token + ": {userId: ann, rolle: admin}",
		"unknown role":      token + ": {userId: ann, role: root}",
		"expires a word":    token + ": {userId: ann, expires: " + token + "}",
		"twice":             token + ": {userId: ann}\n" + token + ": {userId: bob}",
		"twice by digest":   fmt.Sprintf("%s: {userId: ann}\n\"sha256:%x\": {userId: bob}", token, sha256.Sum256([]byte(token))),
		"short digest":      `"sha256:abcd": {userId: ann}`,
		"long digest":       fmt.Sprintf("\"sha256:%x00\": {userId: ann}", sha256.Sum256([]byte(token))),
		"no digest":         fmt.Sprintf("\"sha256:%s\": {userId: ann}", strings.Repeat("g", 64)),
		"empty token":       `"": {userId: ann}`,
		"token too long":    strings.Repeat("x", MaxTokenBytes+1) + ": {userId: ann}",
		"two documents":     token + ": {userId: ann}\n---\n" + token + "2: {userId: ann}",
		"unclosed":          token + ": {userId: ann",
		"unknown alias":     token + ": *" + token,
		"JSON, cut off":     `{"` + token + `":{"userId":"ann"`,
		"not UTF-8":         token + ": {userId: \xff}",
		"tabs":              "\t" + token + ": {userId: ann}",
		"a token of a list": "[" + token + "]: {userId: ann}",
	} {
		sessions, err := parseSessions([]byte(document))
		if err == nil {
			t.Errorf("%s is taken: %v", name, sessions)
		} else if strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
	if sessions, err := parseSessions([]byte("{}")); err != nil || len(sessions) != 0 {
		t.Errorf("no sessions: %v, %v", sessions, err)
	}
}

func TestSessionsAreReadAgainWhenTheirFileChanges(t *testing.T) {
	out := new(logged)
	path := writeFile(t, "one: {userId: ann}\ntwo: {userId: bob, role: moderator}")
	a := newTestAuthority(t, func(c *Config) { c.SessionsFile, c.Log = path, out.log() })
	file := a.files[0]
	one, err := a.Session(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := a.Session(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	check := func(g *Grant) bool { return a.Again(t.Context(), g) == nil }

	rewrite(t, path, "one: {userId: ann, name: Anna}\ntwo: {userId: bob, role: viewer}")
	file.poll()
	if !check(one) || check(two) {
		t.Errorf("another name: %v; another role: %v", check(one), check(two))
	}
	// In place, without another size.
	if err := os.WriteFile(path, []byte("one: {userId: eve, name: Anna}\ntwo: {userId: bob, role: viewer}"), 0o600); err != nil {
		t.Fatal(err)
	}
	file.poll()
	if check(one) {
		t.Error("another's session is still Ann's")
	}
	// While the file is no good or away, what it held stays.
	for name, spoil := range map[string]func(){
		"rubbish":  func() { rewrite(t, path, "one: [") },
		"empty":    func() { rewrite(t, path, "") },
		"away":     func() { _ = os.Remove(path) },
		"too long": func() { rewrite(t, path, strings.Repeat("#", maxSessionsBytes+1)) },
	} {
		spoil()
		file.poll()
		if g, err := a.Session(t.Context(), "one"); err != nil || g.User.ID != "eve" {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	rewrite(t, path, "{}")
	file.poll()
	if _, err := a.Session(t.Context(), "one"); !isInvalid(err) {
		t.Errorf("a session that is gone: %v", err)
	}
	if text := out.String(); strings.Count(text, "can't be read again") != 1 || strings.Count(text, "can be read again") != 1 {
		t.Errorf("the log should say once that the file is no good, and once that it is good again:\n%s", text)
	}
}

func TestFilesAreWatchedThroughLinks(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1", "2"} {
		if err := os.WriteFile(filepath.Join(dir, version), []byte("token: {userId: user-"+version+"}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "sessions")
	if err := os.Symlink("1", link); err != nil {
		t.Fatal(err)
	}
	a := newTestAuthority(t, func(c *Config) { c.SessionsFile = link })
	run(t, a)
	if g, err := a.Session(t.Context(), "token"); err != nil || g.User.ID != "user-1" {
		t.Fatalf("%+v, %v", g, err)
	}
	if err := os.Symlink("2", link+".next"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".next", link); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		g, err := a.Session(t.Context(), "token")
		if err == nil && g.User.ID != "user-2" {
			err = fmt.Errorf("still %s", g.User.ID)
		}
		return err
	})
}

func TestAFileThatSettledIsNotReadAgain(t *testing.T) {
	path := writeFile(t, "one: {userId: ann}")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	reads := 0
	f := &watchedFile{path: path, what: "test", max: 100, apply: func([]byte) error { reads++; return nil }}
	for range 3 {
		f.poll()
	}
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
}

// TestAFileThatMayStillChangeIsReadOnceMore: two changes in one tick of the
// file system's clock leave the same time.
func TestAFileThatMayStillChangeIsReadOnceMore(t *testing.T) {
	path := writeFile(t, "one")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	f := &watchedFile{path: path, what: "test", max: 100, apply: func(content []byte) error { got = string(content); return nil }}
	f.poll()
	if err := os.WriteFile(path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if f.poll(); time.Since(info.ModTime()) < fileSettles && got != "two" {
		t.Errorf("it is still %q", got)
	}
}

func TestAStartNeedsItsFiles(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no sessions":    func(c *Config) { c.SessionsFile = "/nowhere/sessions" },
		"wrong sessions": func(c *Config) { c.SessionsFile = writeFile(t, "x") },
		"a folder":       func(c *Config) { c.SessionsFile = t.TempDir() },
		"no keys":        func(c *Config) { c.JWKSFile = "/nowhere/keys" },
		"wrong keys":     func(c *Config) { c.JWKSFile = writeFile(t, "{}") },
	} {
		c := Config{Log: new(logged).log(), Registry: newTestRegistry()}
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}

func FuzzSessions(f *testing.F) {
	f.Add([]byte("token: {userId: ann, name: Ann, role: admin, expires: 2030-01-01T00:00:00Z}"))
	f.Add([]byte(`{"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08":{"userId":"ann"}}`))
	f.Add([]byte("a: &a {userId: ann}\nb: *a\nc: {<<: *a}"))
	f.Fuzz(func(t *testing.T, document []byte) {
		sessions, err := parseSessions(document)
		if err != nil && sessions != nil {
			t.Fatal("sessions and an error")
		}
		for d, g := range sessions {
			if g.digest != d || !ValidID(g.User.ID) || g.User.Name != CleanName(g.User.Name) ||
				g.User.Role != RoleViewer && g.User.Role != RoleModerator && g.User.Role != RoleAdmin {
				t.Errorf("%+v", g)
			}
		}
	})
}
