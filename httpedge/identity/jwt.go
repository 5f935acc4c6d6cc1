package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithms of tokens. HS256 is for the shared secret alone, the others are
// for public keys alone: what a token says of itself never makes one kind of
// key serve as the other.
const (
	algHS256 = "HS256"
	algRS256 = "RS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

var algorithms = []string{algHS256, algRS256, algES256, algEdDSA}

// maxTried is how many keys are tried for a token that names none: each costs
// a signature check.
const maxTried = 4

// claims are those of a token that are used.
type claims struct {
	jwt.RegisteredClaims
	Name string `json:"name,omitempty"`
	Role string `json:"role,omitempty"`
}

// UnmarshalJSON reads claims by their exact names.
func (c *claims) UnmarshalJSON(b []byte) error {
	type plain claims // has no such method
	return readExactly(b, (*plain)(c), "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "name", "role")
}

// checker checks JWTs.
type checker struct {
	secret    []byte
	rings     []*keyring
	remote    *remoteKeys // may know more keys when asked; nil: there is none
	parser    *jwt.Parser
	validator *jwt.Validator // of the claims
	issuer    string
	audience  []string
	leeway    time.Duration
}

func newChecker(c Config) *checker {
	options := []jwt.ParserOption{
		jwt.WithLeeway(c.Leeway), jwt.WithTimeFunc(c.Now), jwt.WithStrictDecoding(),
	}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	if len(c.Audience) > 0 {
		options = append(options, jwt.WithAudience(c.Audience...))
	}
	return &checker{
		secret: c.Secret, issuer: c.Issuer, audience: c.Audience, leeway: c.Leeway,
		parser: jwt.NewParser(options...), validator: jwt.NewValidator(options...),
	}
}

// isJWT says whether a token is one, good or not: three parts, of which the
// first is a JSON object. Everything else is an opaque session token.
func isJWT(token string) bool {
	if strings.Count(token, ".") != 2 || strings.ContainsFunc(token, notOfJWT) {
		return false
	}
	header, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	return err == nil && len(header) > 0 && header[0] == '{' && json.Valid(header)
}

// notOfJWT holds for what is neither base64url nor a dot. Decoders pass over
// line breaks, so that one token could be written in many ways.
func notOfJWT(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !letter && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// check gives the grant of a good token.
func (c *checker) check(ctx context.Context, token string) (*Grant, error) {
	var said claims
	t, parts, err := c.parser.ParseUnverified(token, &said)
	if err != nil {
		return nil, refusal(err)
	}
	signed, err := c.verify(ctx, t, parts[0]+"."+parts[1])
	if err != nil {
		return nil, refusal(err)
	}
	if err := c.validator.Validate(&said); err != nil {
		return nil, refusal(err)
	}
	user, err := newUser(said.Subject, said.Name, said.Role)
	if err != nil {
		return nil, err
	}
	g := &Grant{User: user, key: signed}
	if said.ExpiresAt != nil {
		g.until = said.ExpiresAt.Add(c.leeway)
	}
	return g, nil
}

// verify checks a token's signature over a text, and gives the key that it was
// made with, nil for the shared secret.
func (c *checker) verify(ctx context.Context, t *jwt.Token, text string) (*key, error) {
	alg := t.Method.Alg()
	if !slices.Contains(algorithms, alg) {
		return nil, errors.New("an algorithm that is not taken")
	}
	if _, critical := t.Header["crit"]; critical {
		return nil, errors.New("critical headers that nobody here understands")
	}
	kid, isText := t.Header["kid"].(string)
	if !isText && t.Header["kid"] != nil {
		return nil, errors.New("a kid that is no text")
	}
	if alg == algHS256 {
		if _, public := c.find(kid, alg); public || len(c.secret) == 0 {
			return nil, errUnknownKey
		}
		return nil, t.Method.Verify(text, t.Signature, c.secret)
	}
	keys, err := c.publicKeys(ctx, kid, alg)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err = t.Method.Verify(text, t.Signature, k.public); err == nil {
			return k, nil
		}
	}
	return nil, err
}

// publicKeys gives the keys that may have signed a token that names kid.
func (c *checker) publicKeys(ctx context.Context, kid, alg string) ([]*key, error) {
	found, known := c.find(kid, alg)
	if !known && kid != "" && c.remote != nil {
		// The site may have begun to sign with a new key just now.
		if err := c.remote.refetch(ctx); err != nil {
			return nil, err
		}
		found, _ = c.find(kid, alg)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case kid == "" && c.remote != nil && !c.remote.fetched():
		return nil, ErrUnavailable
	}
	return nil, errUnknownKey
}

// refusal makes what a holder of a token is told of what the parser says.
func refusal(err error) error {
	switch {
	case errors.Is(err, ErrUnavailable):
		return ErrUnavailable
	case errors.Is(err, jwt.ErrTokenExpired):
		return invalid("The token has expired.")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return invalid("The token is not valid yet.")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalid("The token is not of the issuer that is trusted here.")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalid("The token is meant for somebody else (aud).")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("The token lacks a claim that is needed here (iss or aud).")
	case errors.Is(err, errUnknownKey):
		return invalid("The token is signed with a key that is not known here.")
	}
	return invalid("The token is not valid.")
}

var errUnknownKey = errors.New("no such key")

// find gives the keys of an algorithm that have a name, or all if the name is
// empty, up to maxTried. known: the name is that of a key, whatever its
// algorithm.
func (c *checker) find(kid, alg string) (found []*key, known bool) {
	for _, ring := range c.rings {
		for _, k := range ring.keys() {
			if kid != "" && k.kid != kid {
				continue
			}
			known = known || kid != ""
			if k.alg == alg && len(found) < maxTried {
				found = append(found, k)
			}
		}
	}
	return found, known
}

// Sign makes a token of a user that is good for a lifetime, with the shared
// secret.
func (a *Authority) Sign(u User, lifetime time.Duration) (string, error) {
	now := a.now()
	said := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: u.ID, Issuer: a.jwt.issuer, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Name: u.Name, Role: u.Role,
	}
	if len(a.jwt.audience) > 0 {
		said.Audience = slices.Clone(a.jwt.audience[:1])
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, said).SignedString(a.jwt.secret)
	if err != nil {
		return "", fmt.Errorf("identity: signing a token: %w", err)
	}
	return token, nil
}
