package httpedge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/httpedge/identity"
)

// Roles of users.
const (
	roleViewer    = identity.RoleViewer
	roleModerator = identity.RoleModerator
	roleAdmin     = identity.RoleAdmin
)

// user is who makes a request.
type user struct {
	id   string
	name string
	role string
	// grant is what the user's token gave; rechecks ask for it again.
	grant *identity.Grant
}

// moderates says whether the user keeps order, and is not limited.
func (u *user) moderates() bool { return u.role == roleModerator || u.role == roleAdmin }

// authenticator says who makes a request.
type authenticator struct {
	authority *identity.Authority
	cookie    string
	cors      *cors
}

// user gives who makes a request, nil if there is no token. A token that is
// no good is an error, even where none is needed.
func (a *authenticator) user(ctx *fasthttp.RequestCtx) (*user, error) {
	return a.of(ctx, "", !ctx.IsGet() && !ctx.IsHead())
}

// streamUser is user for a stream, where a token may be in the query, since an
// EventSource can't set headers.
func (a *authenticator) streamUser(ctx *fasthttp.RequestCtx) (*user, error) {
	return a.of(ctx, string(ctx.QueryArgs().Peek("token")), false)
}

// socketUser is streamUser for a WebSocket. Browsers let any site's page open
// one, with the cookie, read what comes and post: so its origin is looked at as
// for a change.
func (a *authenticator) socketUser(ctx *fasthttp.RequestCtx) (*user, error) {
	return a.of(ctx, string(ctx.QueryArgs().Peek("token")), true)
}

func (a *authenticator) of(ctx *fasthttp.RequestCtx, inQuery string, changes bool) (*user, error) {
	if header := ctx.Request.Header.Peek("Authorization"); len(header) > 0 {
		scheme, token, _ := strings.Cut(string(header), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return nil, unauthorized.because("Authorization must be a Bearer token.")
		}
		return userOf(a.authority.Bearer(context.Background(), token))
	}
	if session := ctx.Request.Header.Peek("X-Session-Token"); len(session) > 0 {
		return userOf(a.authority.Session(context.Background(), string(session)))
	}
	if inQuery != "" {
		return userOf(a.authority.Bearer(context.Background(), inQuery))
	}
	// The site itself may have a cookie of this name, which is not meant for here.
	if cookie := ctx.Request.Header.Cookie(a.cookie); len(cookie) > 0 && !a.authority.Foreign(string(cookie)) {
		if changes {
			if err := a.ownPage(ctx); err != nil {
				return nil, err
			}
		}
		return userOf(a.authority.Bearer(context.Background(), string(cookie)))
	}
	return nil, nil // nobody in particular
}

// userOf gives the user of a grant.
func userOf(g *identity.Grant, err error) (*user, error) {
	var no *identity.InvalidError
	switch {
	case errors.As(err, &no):
		return nil, badToken(no.Reason)
	case err != nil:
		return nil, fmt.Errorf("finding out who makes a request: %w", err)
	}
	return &user{id: g.User.ID, name: g.User.Name, role: g.User.Role, grant: g}, nil
}

// needed gives who makes a request that nobody may make without a token.
func (a *authenticator) needed(ctx *fasthttp.RequestCtx) (*user, error) {
	u, err := a.user(ctx)
	if err == nil && u == nil {
		err = unauthorized.because("Send a token: Authorization: Bearer …")
	}
	return u, err
}

// ownPage refuses what another site's page asks for in the name of a user whose
// browser adds the cookie.
func (a *authenticator) ownPage(ctx *fasthttp.RequestCtx) error {
	origin := string(ctx.Request.Header.Peek("Origin"))
	if origin == "" || a.cors.allows(origin) {
		return nil
	}
	if _, host, _ := strings.Cut(origin, "://"); host == string(ctx.Host()) {
		return nil
	}
	return forbidden.because("Pages of %.100q may not do this with a cookie.", origin)
}

// sign makes a token that is taken, with the shared secret.
func (a *authenticator) sign(u *user, lifetime time.Duration) (string, error) {
	return a.authority.Sign(identity.User{ID: u.id, Name: u.name, Role: u.role}, lifetime)
}
