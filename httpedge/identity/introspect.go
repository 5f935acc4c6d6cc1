package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	defaultIntrospectionTimeout = 2 * time.Second
	// maxRemembered is how many good answers are remembered, and how many bad
	// ones: who makes tokens up can't push the good ones out.
	maxRemembered = 20_000
	// maxQuestions is how many questions are asked at a time. Others wait for
	// their turn as long as a question may take. Two thirds are as many as
	// checks of open streams ask at a time; the rest is for those who come.
	maxQuestions = 96
	// maxAnswerBytes bounds an answer.
	maxAnswerBytes = 64 << 10

	// After tripAfter failures in a row nothing is asked for tripFor, so that
	// whoever comes is told at once.
	tripAfter = 5
	tripFor   = 2 * time.Second
)

// introspector resolves tokens at an introspection endpoint (RFC 7662).
type introspector struct {
	url, client, secret string
	timeout             time.Duration
	goodFor, badFor     time.Duration
	issuer              string
	audience            []string
	leeway              time.Duration

	http    *http.Client
	now     func() time.Time
	metrics *metrics
	good    *lru.Cache[digest, remembered]
	bad     *lru.Cache[digest, remembered]
	flights singleflight.Group
	turns   *semaphore.Weighted
	breaker *gobreaker.CircuitBreaker[*Grant]
}

// remembered is an answer and until when it holds.
type remembered struct {
	grant *Grant
	no    error // an *InvalidError
	until time.Time
}

func newIntrospector(c Config, m *metrics) (*introspector, error) {
	good, err := lru.New[digest, remembered](maxRemembered)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	bad, err := lru.New[digest, remembered](maxRemembered)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if c.IntrospectionTimeout == 0 {
		c.IntrospectionTimeout = defaultIntrospectionTimeout
	}
	return &introspector{
		url: c.IntrospectionURL, client: c.IntrospectionClient, secret: c.IntrospectionSecret, timeout: c.IntrospectionTimeout,
		goodFor: c.IntrospectionTTL, badFor: c.IntrospectionNegativeTTL,
		issuer: c.Issuer, audience: c.Audience, leeway: c.Leeway,
		// A token goes to this endpoint and to no other.
		http: newClient(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }),
		now:  c.Now, metrics: m, good: good, bad: bad,
		turns:   semaphore.NewWeighted(maxQuestions),
		breaker: newBreaker(c.Log),
	}, nil
}

func newBreaker(log *slog.Logger) *gobreaker.CircuitBreaker[*Grant] {
	return gobreaker.NewCircuitBreaker[*Grant](gobreaker.Settings{
		Name: "introspection", Timeout: tripFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsSuccessful: func(err error) bool {
			var no *InvalidError
			return err == nil || errors.As(err, &no) || errors.Is(err, errThisToken)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			log.Warn("asking whose sessions are", "state", to.String(), "before", from.String())
		},
	})
}

// errThisToken is for an endpoint that answers, but does not take a token, or
// says of it what can't be. That says nothing about those of others: who makes
// such tokens up must not keep it from being asked about them.
var errThisToken = errors.New("introspection: no good answer about this token")

// refusesToken says whether a status may be the answer to one token alone.
func refusesToken(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

func (i *introspector) resolve(ctx context.Context, token string) (*Grant, error) {
	d := digestOf(token)
	if r, ok := i.recall(d); ok {
		i.metrics.remembered.Inc()
		return r.grant, r.no
	}
	// All who come with the token meanwhile share the answer; nobody's leaving
	// ends the question for the others.
	answer := i.flights.DoChan(string(d[:]), func() (any, error) { return i.ask(d, token) })
	select {
	case r := <-answer:
		g, _ := r.Val.(*Grant)
		return g, r.Err
	case <-ctx.Done():
		return nil, ErrUnavailable
	}
}

func (i *introspector) again(ctx context.Context, g *Grant) (*Grant, error) {
	return i.resolve(ctx, g.token)
}

// recall gives what is remembered of a token.
func (i *introspector) recall(d digest) (remembered, bool) {
	now := i.now()
	for _, answers := range []*lru.Cache[digest, remembered]{i.good, i.bad} {
		if r, ok := answers.Get(d); ok {
			if now.Before(r.until) {
				return r, true
			}
			answers.Remove(d)
		}
	}
	return remembered{}, false
}

// ask asks the endpoint and remembers what it says.
func (i *introspector) ask(d digest, token string) (*Grant, error) {
	if r, ok := i.recall(d); ok { // the question before this one was just answered
		return r.grant, r.no
	}
	ctx, cancel := context.WithTimeout(context.Background(), i.timeout)
	defer cancel()
	if i.turns.Acquire(ctx, 1) != nil {
		i.metrics.questions.WithLabelValues("no_turn").Inc()
		return nil, ErrUnavailable
	}
	defer i.turns.Release(1)
	g, err := i.breaker.Execute(func() (*Grant, error) { return i.question(ctx, d, token) })
	var no *InvalidError
	now := i.now()
	switch {
	case err == nil:
		i.metrics.questions.WithLabelValues("active").Inc()
		until := now.Add(i.goodFor)
		if !g.until.IsZero() && g.until.Before(until) {
			until = g.until
		}
		i.good.Add(d, remembered{grant: g, until: until})
		return g, nil
	case errors.As(err, &no):
		i.metrics.questions.WithLabelValues("inactive").Inc()
		i.bad.Add(d, remembered{no: no, until: now.Add(i.badFor)})
		return nil, no
	}
	i.metrics.questions.WithLabelValues("failed").Inc()
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// question asks the endpoint once.
func (i *introspector) question(ctx context.Context, d digest, token string) (*Grant, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if i.client != "" { // RFC 6749, section 2.3.1: both are form-encoded first
		req.SetBasicAuth(url.QueryEscape(i.client), url.QueryEscape(i.secret))
	}
	res, err := i.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	defer res.Body.Close()
	if refusesToken(res.StatusCode) {
		return nil, errThisToken
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: status %d", res.StatusCode)
	}
	body, err := readAtMost(res.Body, maxAnswerBytes)
	if err != nil {
		return nil, fmt.Errorf("introspection: reading the answer: %w", err)
	}
	g, err := i.read(body)
	if err != nil {
		return nil, err
	}
	g.by, g.digest, g.token = i, d, token
	return g, nil
}

// read makes a grant of an answer. The error is an *InvalidError, or says that
// the answer is none.
func (i *introspector) read(body []byte) (*Grant, error) {
	var said struct {
		Active    *bool    `json:"active"`
		Subject   string   `json:"sub"`
		Name      string   `json:"name"`
		Username  string   `json:"username"`
		Role      string   `json:"role"`
		Issuer    string   `json:"iss"`
		Audience  texts    `json:"aud"`
		Expires   *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
	}
	err := readExactly(body, &said, "active", "sub", "name", "username", "role", "iss", "aud", "exp", "nbf")
	switch {
	case errors.Is(err, errNoUnicode):
		return nil, invalid("What is known of the session is not all Unicode.")
	case err != nil && said.Active != nil: // the rest is not as it should be
		return nil, fmt.Errorf("%w: %w", errThisToken, err)
	case err != nil || said.Active == nil:
		return nil, errors.New("introspection: the answer is not one of RFC 7662")
	}
	now := i.now()
	switch {
	case !*said.Active:
		return nil, errNoSession
	case said.Issuer != "" && i.issuer != "" && said.Issuer != i.issuer:
		return nil, invalid("The session is not of the issuer that is trusted here.")
	case len(said.Audience) > 0 && len(i.audience) > 0 && !slices.ContainsFunc(said.Audience, func(a string) bool { return slices.Contains(i.audience, a) }):
		return nil, invalid("The session is meant for somebody else (aud).")
	case said.NotBefore != nil && now.Add(i.leeway).Before(seconds(*said.NotBefore)):
		return nil, invalid("The session is not valid yet.")
	}
	if CleanName(said.Name) == "" {
		said.Name = said.Username
	}
	user, err := newUser(said.Subject, said.Name, said.Role)
	if err != nil {
		return nil, err
	}
	g := &Grant{User: user}
	if said.Expires != nil {
		g.until = seconds(*said.Expires).Add(i.leeway)
	}
	if !g.InTime(now) {
		return nil, invalid("The session has expired.")
	}
	return g, nil
}

// seconds makes a time of seconds since 1970.
func seconds(s float64) time.Time {
	const most = 1 << 40 // some 35,000 years
	return time.UnixMilli(int64(math.Max(-most, math.Min(most, s)) * 1000))
}

// texts is one text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = make(texts, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}
