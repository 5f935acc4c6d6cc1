package httpedge

import (
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// Roles of users.
const (
	roleViewer    = "viewer"
	roleModerator = "moderator"
	roleAdmin     = "admin"
)

// user is who makes a request.
type user struct {
	id   string
	name string
	role string
}

// moderates says whether the user keeps order, and is not limited.
func (u *user) moderates() bool { return u.role == roleModerator || u.role == roleAdmin }

// claims are those of a token that are used.
type claims struct {
	jwt.RegisteredClaims
	Name string `json:"name,omitempty"`
	Role string `json:"role,omitempty"`
}

// authenticator says who makes a request.
type authenticator struct {
	secret []byte
	cookie string
	cors   *cors

	mu sync.Mutex
	// verified are tokens that were found good, and until when they are.
	verified map[string]verifiedUser
}

type verifiedUser struct {
	user  *user
	until time.Time
}

const (
	// maxVerified is how many good tokens are remembered: each spares its next
	// request a signature check, a tenth of the cost of a post.
	maxVerified = 10_000
	// verifiedFor is how long a token is remembered at most.
	verifiedFor = time.Minute
)

// user gives who makes a request, nil if there is no token. A token that is
// no good is an error, even where none is needed.
func (a *authenticator) user(ctx *fasthttp.RequestCtx) (*user, error) {
	return a.of(ctx, "")
}

// streamUser is user for a stream, where a token may be in the query, since an
// EventSource can't set headers.
func (a *authenticator) streamUser(ctx *fasthttp.RequestCtx) (*user, error) {
	return a.of(ctx, string(ctx.QueryArgs().Peek("token")))
}

func (a *authenticator) of(ctx *fasthttp.RequestCtx, inQuery string) (*user, error) {
	if header := ctx.Request.Header.Peek("Authorization"); len(header) > 0 {
		scheme, token, _ := strings.Cut(string(header), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, unauthorized.because("Authorization must be a Bearer token.")
		}
		return a.verify(strings.TrimSpace(token))
	}
	if len(ctx.Request.Header.Peek("X-Session-Token")) > 0 {
		return nil, unauthorized.because("This server knows no such session.")
	}
	if inQuery != "" {
		return a.verify(inQuery)
	}
	if cookie := ctx.Request.Header.Cookie(a.cookie); len(cookie) > 0 {
		if err := a.sameSite(ctx); err != nil {
			return nil, err
		}
		return a.verify(string(cookie))
	}
	return nil, nil // nobody in particular
}

// needed gives who makes a request that nobody may make without a token.
func (a *authenticator) needed(ctx *fasthttp.RequestCtx) (*user, error) {
	u, err := a.user(ctx)
	if err == nil && u == nil {
		err = unauthorized.because("Send a token: Authorization: Bearer …")
	}
	return u, err
}

// sameSite refuses a change that another site's page asks for in the name of a
// user whose browser adds the cookie.
func (a *authenticator) sameSite(ctx *fasthttp.RequestCtx) error {
	origin := string(ctx.Request.Header.Peek("Origin"))
	if origin == "" || ctx.IsGet() || ctx.IsHead() || a.cors.allows(origin) {
		return nil
	}
	if _, host, _ := strings.Cut(origin, "://"); host == string(ctx.Host()) {
		return nil
	}
	return forbidden.because("Pages of %.100q may not do this with a cookie.", origin)
}

// verify gives the user of a good token.
func (a *authenticator) verify(token string) (*user, error) {
	now := time.Now()
	a.mu.Lock()
	known, ok := a.verified[token]
	a.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.user, nil
	}
	u, expires, err := a.check(token)
	if err != nil {
		return nil, err
	}
	until := now.Add(verifiedFor)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.verified == nil || len(a.verified) >= maxVerified {
		a.verified = map[string]verifiedUser{}
	}
	a.verified[strings.Clone(token)] = verifiedUser{u, until}
	return u, nil
}

// check checks a token: HS256, in time, and of somebody.
func (a *authenticator) check(token string) (u *user, expires time.Time, err error) {
	var c claims
	_, err = jwt.ParseWithClaims(token, &c,
		func(*jwt.Token) (any, error) { return a.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, expires, unauthorized.because("The token has expired.")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return nil, expires, unauthorized.because("The token is not valid yet.")
	case err != nil:
		return nil, expires, unauthorized.because("The token is not valid.")
	case c.Subject == "" || len(c.Subject) > actors.MaxUserID || !utf8.ValidString(c.Subject) || strings.ContainsFunc(c.Subject, unicode.IsControl):
		return nil, expires, unauthorized.because("The token's sub must be 1 to %d bytes of text without control characters.", actors.MaxUserID)
	}
	u = &user{id: c.Subject, name: cleanName(c.Name), role: c.Role}
	if u.role != roleModerator && u.role != roleAdmin {
		u.role = roleViewer
	}
	if c.ExpiresAt != nil {
		expires = c.ExpiresAt.Time
	}
	return u, expires, nil
}

// cleanName makes a name fit to be shown: one line, not too long.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\ufffd"))
	name = strings.TrimSpace(name)
	if runes := []rune(name); len(runes) > actors.MaxUserName {
		name = strings.TrimSpace(string(runes[:actors.MaxUserName]))
	}
	return name
}

// sign makes a token that verify takes.
func (a *authenticator) sign(u *user, lifetime time.Duration, now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: u.id, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Name: u.name, Role: u.role,
	}).SignedString(a.secret)
}
