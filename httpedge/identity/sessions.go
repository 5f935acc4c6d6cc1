package identity

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxSessionsBytes bounds the sessions file: some 100,000 sessions.
const maxSessionsBytes = 16 << 20

// digestPrefix begins a session's key in the file that is the SHA-256 of its
// token in hexadecimal, in place of the token.
const digestPrefix = "sha256:"

// sessionFile resolves the tokens of a file: a mapping, in YAML or JSON, of
// tokens to sessions.
type sessionFile struct {
	now     func() time.Time
	current atomic.Pointer[map[digest]*Grant]
}

// session is what the file says of a token.
type session struct {
	UserID  string    `yaml:"userId"`
	Name    string    `yaml:"name"`
	Role    string    `yaml:"role"`
	Expires time.Time `yaml:"expires"`
}

// replace takes the sessions of a document in place of those before. An error
// says where the document is wrong, and has nothing of what is in it.
func (s *sessionFile) replace(document []byte) error {
	sessions, err := parseSessions(document)
	if err != nil {
		return err
	}
	for _, g := range sessions {
		g.by = s
	}
	s.current.Store(&sessions)
	return nil
}

func (s *sessionFile) resolve(_ context.Context, token string) (*Grant, error) {
	return s.find(digestOf(token))
}

func (s *sessionFile) again(_ context.Context, g *Grant) (*Grant, error) { return s.find(g.digest) }

func (s *sessionFile) find(d digest) (*Grant, error) {
	g, ok := (*s.current.Load())[d]
	switch {
	case !ok:
		return nil, errNoSession
	case !g.InTime(s.now()):
		return nil, invalid("The session has expired.")
	}
	return g, nil
}

// parseSessions reads a sessions file.
func parseSessions(document []byte) (map[digest]*Grant, error) {
	said := map[string]session{}
	decoder := yaml.NewDecoder(bytes.NewReader(document))
	decoder.KnownFields(true)
	if err := decoder.Decode(&said); errors.Is(err, io.EOF) {
		// Perhaps it is being written just now.
		return nil, errors.New("it is empty; write {} for no sessions")
	} else if err != nil {
		return nil, whereOf(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the mapping of tokens to sessions")
	}
	sessions := make(map[digest]*Grant, len(said))
	for token, of := range said {
		d, err := digestOfKey(token)
		if err != nil {
			return nil, err
		}
		user, err := newUser(of.UserID, of.Name, of.Role)
		if err != nil {
			return nil, fmt.Errorf("a session of %.200q: userId must be 1 to 128 bytes without control characters", of.UserID)
		}
		if of.Role != "" && of.Role != user.Role {
			return nil, fmt.Errorf("the session of %q: role must be %s, %s or %s", user.ID, RoleViewer, RoleModerator, RoleAdmin)
		}
		if _, twice := sessions[d]; twice {
			return nil, fmt.Errorf("the session of %q: its token is there twice", user.ID)
		}
		sessions[d] = &Grant{User: user, until: of.Expires, digest: d}
	}
	return sessions, nil
}

// digestOfKey gives the digest that a key of the file stands for.
func digestOfKey(key string) (digest, error) {
	text, isDigest := strings.CutPrefix(key, digestPrefix)
	if !isDigest {
		if key == "" || len(key) > MaxTokenBytes {
			return digest{}, fmt.Errorf("a token must have 1 to %d bytes", MaxTokenBytes)
		}
		return digestOf(key), nil
	}
	var d digest
	if n, err := hex.Decode(d[:], []byte(text)[:min(len(text), 2*len(d))]); err != nil || n != len(d) || len(text) != 2*len(d) {
		return d, fmt.Errorf("after %s there must be %d hexadecimal digits", digestPrefix, 2*len(d))
	}
	return d, nil
}

var lineOf = regexp.MustCompile(`\bline (\d+)\b`)

// whereOf keeps of the parser's error only the line: its text may quote a token.
func whereOf(err error) error {
	if found := lineOf.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Errorf("line %s is not as it should be: token: {userId: …, name: …, role: …, expires: …}", found[1])
	}
	return errors.New("not a mapping of tokens to sessions, in YAML or JSON")
}
