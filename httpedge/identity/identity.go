// Package identity finds out who holds a token: JSON Web Tokens, checked with
// the shared secret or with the public keys of a site's login (JWKS), and
// opaque session tokens, looked up in a file or at an introspection endpoint
// (RFC 7662). It knows nothing of HTTP servers or streams.
//
// Nothing in this package puts a token, or a part of one, into an error or a
// log line.
package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// ErrUnavailable says that nobody can tell now whether a token is good: what
// would have to be asked is away. The same token may be good a little later.
var ErrUnavailable = errors.New("identity: what knows the token can't be reached")

// InvalidError says that a token is no good.
type InvalidError struct {
	// Reason is for whoever holds the token: a sentence.
	Reason string
}

func (e *InvalidError) Error() string { return "identity: " + e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// MaxTokenBytes is the length of the longest token that is looked at. Headers
// of 16 KiB have room for it.
const MaxTokenBytes = 8 << 10

// Config is what an Authority needs. Log and Registry are required, and so is
// Secret before the first token is checked.
type Config struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	Secret   []byte // HS256 key of tokens

	JWKSFile string // keys of tokens as a JWKS; "": none
	JWKSURL  string // where to fetch them; "": nowhere
	// JWKSRefresh is how often they are fetched; default 20 s.
	JWKSRefresh time.Duration

	Issuer   string        // iss that a token must have; "": any
	Audience []string      // of which its aud must have one; none: any
	Leeway   time.Duration // by how much clocks may differ

	SessionsFile string // sessions by their tokens; "": none

	IntrospectionURL    string // "": none
	IntrospectionClient string // this node's name there; "": it says none
	IntrospectionSecret string
	// IntrospectionTimeout bounds one question; default 2 s.
	IntrospectionTimeout time.Duration
	// IntrospectionTTL is how long a good answer is remembered,
	// IntrospectionNegativeTTL how long one that a token is no good.
	IntrospectionTTL, IntrospectionNegativeTTL time.Duration

	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Grant is what a good token gave. It never changes, and streams of one token
// may share it.
type Grant struct {
	User User

	until time.Time // zero: for ever
	key   *key      // that a token is signed with; nil: the shared secret, or no JWT
	// by resolved a session; nil: the token is a JWT.
	by     resolver
	digest digest // of the session's token
	token  string // of a session that is asked for elsewhere; otherwise ""
}

// Remote says whether Authority.Again may have to wait for another server.
func (g *Grant) Remote() bool { return g.token != "" }

// InTime says whether the grant holds at a time, as far as it says so itself.
func (g *Grant) InTime(now time.Time) bool { return g.until.IsZero() || now.Before(g.until) }

// digest stands for a token where many are kept: it is small, and nobody can
// make the token of it.
type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// resolver knows whose an opaque session token is.
type resolver interface {
	// resolve gives a session's grant, an *InvalidError if there is no such
	// session, or an error that is ErrUnavailable.
	resolve(ctx context.Context, token string) (*Grant, error)
	// again gives the grant that the token of an earlier one has now.
	again(ctx context.Context, g *Grant) (*Grant, error)
}

// maxVerified is how many good JWTs are remembered: each spares its next
// request a signature check, a tenth of the cost of a post.
const maxVerified = 10_000

// Authority says whose tokens are. Its methods may be called from any goroutine.
type Authority struct {
	config   Config
	now      func() time.Time
	jwt      *checker
	keyURL   *remoteKeys // nil: there is none
	files    []*watchedFile
	sessions []resolver // asked in this order
	verified *lru.Cache[digest, *Grant]
}

// New makes an Authority and reads its files. Keys that come from a URL are
// fetched by Run.
func New(config Config) (*Authority, error) {
	if config.Log == nil || config.Registry == nil {
		return nil, errors.New("identity: a required part of the config is missing")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	verified, err := lru.New[digest, *Grant](maxVerified)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	a := &Authority{config: config, now: config.Now, verified: verified, jwt: newChecker(config)}
	m := newMetrics(config.Registry)
	if err := a.openKeys(m); err != nil {
		return nil, err
	}
	if config.SessionsFile != "" {
		s := &sessionFile{now: config.Now}
		file := &watchedFile{path: config.SessionsFile, what: "sessions", max: maxSessionsBytes, apply: s.replace, log: config.Log}
		if err := file.load(); err != nil {
			return nil, fmt.Errorf("identity: the sessions file: %w", err)
		}
		a.files, a.sessions = append(a.files, file), append(a.sessions, s)
	}
	if config.IntrospectionURL != "" {
		i, err := newIntrospector(config, m)
		if err != nil {
			return nil, err
		}
		a.sessions = append(a.sessions, i)
	}
	return a, nil
}

func (a *Authority) openKeys(m *metrics) error {
	if a.config.JWKSFile != "" {
		ring := &keyring{}
		file := &watchedFile{path: a.config.JWKSFile, what: "JWKS", max: maxJWKSBytes, log: a.config.Log, apply: func(document []byte) error {
			return ring.read(document, a.config.Log)
		}}
		if err := file.load(); err != nil {
			return fmt.Errorf("identity: the JWKS file: %w", err)
		}
		a.files, a.jwt.rings = append(a.files, file), append(a.jwt.rings, ring)
	}
	if a.config.JWKSURL != "" {
		a.keyURL = newRemoteKeys(a.config, m)
		a.jwt.rings, a.jwt.remote = append(a.jwt.rings, &a.keyURL.ring), a.keyURL
	}
	return nil
}

// Run reads files again when they change, and fetches keys, until ctx ends.
func (a *Authority) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, file := range a.files {
		all.Go(func() { file.run(ctx) })
	}
	if a.keyURL != nil {
		all.Go(func() { a.keyURL.run(ctx) })
	}
	all.Wait()
}

// SetSecret changes the HS256 key. It must not be called any more when the
// first token is checked.
func (a *Authority) SetSecret(secret []byte) { a.jwt.secret = secret }

// Bearer gives the grant of a token that may be a JWT or a session's. The error
// is an *InvalidError or ErrUnavailable.
func (a *Authority) Bearer(ctx context.Context, token string) (*Grant, error) {
	if len(token) > MaxTokenBytes {
		return nil, errTooLong
	}
	d := digestOf(token)
	if g, ok := a.verified.Get(d); ok && a.good(g) {
		return g, nil
	}
	if !isJWT(token) {
		return a.Session(ctx, token)
	}
	g, err := a.jwt.check(ctx, token)
	if err != nil {
		return nil, err
	}
	a.verified.Add(d, g)
	return g, nil
}

// Foreign says that a token can't be anybody's here: it is no JWT, and sessions
// are looked up nowhere.
func (a *Authority) Foreign(token string) bool { return len(a.sessions) == 0 && !isJWT(token) }

var errTooLong = invalid("A token may have %d bytes.", MaxTokenBytes)

// good says whether a JWT's grant still holds.
func (a *Authority) good(g *Grant) bool {
	return g.InTime(a.now()) && (g.key == nil || !g.key.gone.Load())
}

var errNoSession = invalid("This server knows no such session.")

// Session gives the grant of a session's token. The error is an *InvalidError
// or ErrUnavailable.
func (a *Authority) Session(ctx context.Context, token string) (*Grant, error) {
	if len(token) > MaxTokenBytes {
		return nil, errTooLong
	}
	if token == "" {
		return nil, errNoSession
	}
	err := errNoSession
	for _, r := range a.sessions {
		var g *Grant
		if g, err = r.resolve(ctx, token); err == nil {
			return g, nil
		}
		var no *InvalidError
		if !errors.As(err, &no) {
			break
		}
	}
	return nil, err
}

// Again says whether the token of a grant still gives the same: nil, an
// *InvalidError, or ErrUnavailable.
func (a *Authority) Again(ctx context.Context, g *Grant) error {
	if g.by == nil {
		if !a.good(g) {
			return invalid("The token has expired, or its key is no longer in use.")
		}
		return nil
	}
	now, err := g.by.again(ctx, g)
	if err != nil {
		return err
	}
	if now.User.ID != g.User.ID || now.User.Role != g.User.Role {
		return invalid("The session is another's now.")
	}
	return nil
}
