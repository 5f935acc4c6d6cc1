// Package httpedge is Barrage as clients see it: HTTP and server-sent events.
// It parses, authenticates, limits and answers; a stream's connection it hands
// to a viewer actor, and forgets.
package httpedge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/httpedge/identity"
	"barrage/persistence"
)

// Backend is what requests are answered from.
type Backend struct {
	Node   *actors.Node
	Owners actors.Owners
	// Lag says how far history is behind; nil: it never is.
	Lag     func() Lag
	Cluster Cluster
	// Store keeps the audit, and what is known of live videos that are asleep.
	Store persistence.Store
	// Moderator looks at texts; nil: everything is allowed.
	Moderator Moderator
	// JWTSecret is in place of that of the config, if it is not empty.
	JWTSecret []byte
}

// Config is what the edge needs. The required fields come first.
type Config struct {
	Registry *prometheus.Registry
	Log      *slog.Logger
	// JWTSecret is the HS256 key of tokens.
	JWTSecret []byte

	// Identity says whose tokens are taken beside those of JWTSecret; its Log,
	// Registry and Secret are the edge's.
	Identity identity.Config
	// Recheck is how often the token of an open stream is checked again;
	// default 30 s.
	Recheck time.Duration
	// Guest lets everybody have a token by POST /guest.
	Guest bool
	// RequireTokenToRead closes history and streams to those without a token.
	RequireTokenToRead bool
	// CookieName is the cookie that may carry a token.
	CookieName string
	// CORSOrigins may call from a browser: "*" or scheme://host[:port].
	CORSOrigins []string
	// MaxBodyBytes is the largest body of a request.
	MaxBodyBytes int
	// Autocreate: a live video exists from its first use.
	Autocreate bool

	// ReactionTypes are those that there are.
	ReactionTypes []string
	// Posts, Reactions, Joins (opened streams) and Reads are limited by rates.
	Posts, Reactions, Joins, Reads Rates
	// RetryTime is how long a change waits for a live video whose owner
	// changes, before its author is told to try again.
	RetryTime time.Duration
	// MaxStreams, StreamsPerAddress and StreamsPerUser bound the open streams,
	// JoinsPerSecond the new ones; 0: no limit.
	MaxStreams        int
	StreamsPerAddress int
	StreamsPerUser    int
	JoinsPerSecond    float64
	// SendBuffer is a stream's SO_SNDBUF in bytes, UserTimeout its
	// TCP_USER_TIMEOUT; 0: the system's default.
	SendBuffer  int
	UserTimeout time.Duration

	// TrustedProxies are the networks of proxies: their X-Forwarded-For is
	// believed. ProxyProtocol: each of their connections begins with a PROXY
	// header.
	TrustedProxies []netip.Prefix
	ProxyProtocol  bool
	// HeaderTimeout is how long a client may take to send its first byte, and
	// from then on to send a request's head; BodyTimeout, from then on, its
	// body; IdleTimeout is how long it may keep a connection without a request.
	// 0: the defaults of the settings.
	HeaderTimeout, BodyTimeout, IdleTimeout time.Duration
	// MaxConnections and MaxConnectionsPerAddress bound the connections that
	// are no streams, MaxSockets those that are and those that are not; 0: no
	// limit.
	MaxConnections           int
	MaxConnectionsPerAddress int
	MaxSockets               int

	slowMessage time.Duration // see there; tests are quicker
}

const (
	// writeTimeout bounds how long a client may take to read an answer.
	writeTimeout = 15 * time.Second

	// headerBytes bounds a request's line and headers. A token of the largest
	// size that is taken has room in it.
	headerBytes = 16 << 10
	// bodySlack: a body up to so many times the limit is read and refused on a
	// connection that goes on; a larger one ends the connection. A body's
	// buffer is made before it comes, so that it must not be much.
	bodySlack = 4
)

// Edge serves HTTP.
type Edge struct {
	config Config
	// backend is set once, before started is.
	backend  Backend
	started  atomic.Bool
	log      *slog.Logger
	server   *fasthttp.Server
	auth     *authenticator
	limits   *limits
	rechecks *rechecks

	reactors *reactors
	known    *expirable.LRU[commentKey, struct{}]
	// exist are live videos that exist, where not all do.
	exist *lru.Cache[string, struct{}]

	admit    *admission
	gate     *gate
	poller   *poller
	metrics  *metrics
	draining atomic.Bool
	// pollReads bounds the readings for those who waited for a comment.
	pollReads chan struct{}

	// running is for what runs beside requests, until stop.
	running context.Context
	stop    context.CancelFunc
}

// New makes an edge. After Serve it answers that it is up; after Open it
// answers everything.
func New(config Config) (*Edge, error) {
	if config.Registry == nil || config.Log == nil || len(config.JWTSecret) == 0 {
		return nil, errors.New("httpedge: a required part of the config is missing")
	}
	exist, err := lru.New[string, struct{}](knownVideos)
	if err != nil {
		return nil, fmt.Errorf("httpedge: %w", err)
	}
	config.HeaderTimeout = cmp.Or(config.HeaderTimeout, defaultHeaderTimeout)
	config.BodyTimeout = cmp.Or(config.BodyTimeout, defaultBodyTimeout)
	config.IdleTimeout = cmp.Or(config.IdleTimeout, defaultIdleTimeout)
	if config.slowMessage == 0 {
		config.slowMessage = slowMessage
	}
	tokens := config.Identity
	tokens.Log, tokens.Registry, tokens.Secret = config.Log, config.Registry, config.JWTSecret
	authority, err := identity.New(tokens)
	if err != nil {
		return nil, fmt.Errorf("whose tokens are taken: %w", err)
	}
	poller, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("watching connections: %w", err)
	}
	e := &Edge{
		config: config, log: config.Log, poller: poller,
		auth:     &authenticator{authority: authority, cookie: config.CookieName, cors: newCORS(config.CORSOrigins)},
		rechecks: newRechecks(authority.Again, config.Recheck, config.Registry),
		limits:   newLimits(config, config.Registry),
		admit:    newAdmission(config), pollReads: make(chan struct{}, maxPollReads),
		known: newKnownComments(), exist: exist,
	}
	e.reactors = newReactors(func() requester { return e.backend.Owners }, config.RetryTime)
	e.gate = newGate(gateConfig{
		max: config.MaxConnections, maxPerAddress: config.MaxConnectionsPerAddress,
		maxSockets: config.MaxSockets, streams: e.admit.streams,
		proxies: config.TrustedProxies, proxyProtocol: config.ProxyProtocol, log: config.Log,
	}, newGateMetrics(config.Registry, e))
	e.running, e.stop = context.WithCancel(context.Background())
	e.metrics = newMetrics(config.Registry, e)
	e.server = &fasthttp.Server{
		Handler:               e.handler(),
		ErrorHandler:          e.onBadRequest,
		Name:                  "barrage",
		HeaderReceived:        e.onHeader,
		ConnState:             e.gate.onState,
		ReadTimeout:           config.HeaderTimeout,
		WriteTimeout:          writeTimeout,
		IdleTimeout:           config.IdleTimeout,
		ReadBufferSize:        headerBytes,
		MaxRequestBodySize:    config.MaxBodyBytes * bodySlack,
		KeepHijackedConns:     true, // a stream's viewer closes it
		ReduceMemoryUsage:     true, // idle keep-alive connections hold no buffers
		NoDefaultContentType:  true,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
		Logger:                fasthttpLog{config.Log},
		// A form is refused as what is no JSON, not as what is no form.
		DisablePreParseMultipartForm: true,
	}
	return e, nil
}

// fasthttpLog takes what fasthttp says of single connections.
type fasthttpLog struct{ log *slog.Logger }

// Printf leaves out what an error quotes: it may be a part of the request, and
// a token in it.
func (l fasthttpLog) Printf(format string, args ...any) {
	said := slices.Clone(args)
	for i, arg := range said {
		if err, ok := arg.(error); ok {
			said[i], _, _ = strings.Cut(err.Error(), `"`)
		}
	}
	l.log.Debug(fmt.Sprintf(format, said...), "from", "fasthttp")
}

// Serve answers requests on a listener until Shutdown.
func (e *Edge) Serve(listener net.Listener) error {
	go e.poller.run()
	go e.auth.authority.Run(e.running)
	if err := e.server.Serve(e.gate.listen(listener)); err != nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}

// Open lets clients in: what the edge answers from is ready.
func (e *Edge) Open(backend Backend) {
	e.backend = backend
	if len(backend.JWTSecret) > 0 {
		e.auth.authority.SetSecret(backend.JWTSecret)
	}
	e.rechecks.run(e.running)
	e.started.Store(true)
}

// Drain fails readiness and takes no more streams.
func (e *Edge) Drain() { e.draining.Store(true) }

// Shutdown takes no more connections and waits for the requests under way.
// Streams are the node's to end, before.
func (e *Edge) Shutdown(ctx context.Context) error {
	defer e.poller.close()
	defer e.stop()
	if err := e.server.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("closing HTTP connections: %w", err)
	}
	return nil
}

// onBadRequest answers what fasthttp could not read as a request.
func (e *Edge) onBadRequest(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	p := malformed.because("This is not an HTTP request.")
	switch {
	case errors.As(err, &small):
		p = headersTooLarge.because("The request line and headers may have %d bytes.", headerBytes)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		p = tooLarge.because("A body may have %d bytes.", e.config.MaxBodyBytes)
	case errors.As(err, &network) && network.Timeout():
		p = requestTimeout.because("A request's head must be sent within %v, and then its body within %v.",
			e.config.HeaderTimeout, e.config.BodyTimeout)
	}
	lingerAfterAnswer(ctx.Conn())
	e.onAnswer(ctx)
	e.answerError(ctx, p)
	ctx.SetConnectionClose()
}
