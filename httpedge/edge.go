// Package httpedge is Barrage as clients see it: HTTP and server-sent events.
// It parses, authenticates, limits and answers; a stream's connection it hands
// to a viewer actor, and forgets.
package httpedge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/persistence"
)

// Backend is what requests are answered from.
type Backend struct {
	Node   *actors.Node
	Owners actors.Owners
	Store  persistence.Store
	// Lag says how far history is behind; nil: it never is.
	Lag func() Lag
}

// Config is what the edge needs. The required fields come first.
type Config struct {
	Registry *prometheus.Registry
	Log      *slog.Logger
	// JWTSecret is the HS256 key of tokens.
	JWTSecret []byte

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

	// PostsPerSecond and PostsBurst are a user's, PostsPerSecondPerAddress an
	// address's; 0: no limit.
	PostsPerSecond           float64
	PostsBurst               int
	PostsPerSecondPerAddress float64
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
}

const (
	// readTimeout bounds how long a client may take to send a request, and
	// idleTimeout how long it may keep a connection without one.
	readTimeout  = 15 * time.Second
	writeTimeout = 15 * time.Second
	idleTimeout  = 75 * time.Second

	// headerBytes bounds a request's line and headers. A token of the largest
	// size that is taken has room in it.
	headerBytes = 16 << 10
	// bodySlack: a body up to so many times the limit is read and refused on a
	// connection that goes on; a larger one ends the connection.
	bodySlack = 16
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
	posts    *buckets // per user
	postsBy  *buckets // per address
	admit    *admission
	poller   *poller
	metrics  *metrics
	draining atomic.Bool
}

// New makes an edge. After Serve it answers that it is up; after Open it
// answers everything.
func New(config Config) (*Edge, error) {
	if config.Registry == nil || config.Log == nil || len(config.JWTSecret) == 0 {
		return nil, errors.New("httpedge: a required part of the config is missing")
	}
	poller, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("watching connections: %w", err)
	}
	e := &Edge{
		config: config, log: config.Log, poller: poller,
		auth:    &authenticator{secret: config.JWTSecret, cookie: config.CookieName, cors: newCORS(config.CORSOrigins)},
		posts:   newBuckets(config.PostsPerSecond, config.PostsBurst),
		postsBy: newBuckets(config.PostsPerSecondPerAddress, addressBurst(config.PostsPerSecondPerAddress)),
		admit:   newAdmission(config),
	}
	e.metrics = newMetrics(config.Registry, e)
	e.server = &fasthttp.Server{
		Handler:               e.handler(),
		ErrorHandler:          e.onBadRequest,
		Name:                  "barrage",
		ReadTimeout:           readTimeout,
		WriteTimeout:          writeTimeout,
		IdleTimeout:           idleTimeout,
		ReadBufferSize:        headerBytes,
		MaxRequestBodySize:    config.MaxBodyBytes * bodySlack,
		KeepHijackedConns:     true, // a stream's viewer closes it
		ReduceMemoryUsage:     true, // idle keep-alive connections hold no buffers
		NoDefaultContentType:  true,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
		Logger:                fasthttpLog{config.Log},
	}
	return e, nil
}

// fasthttpLog takes what fasthttp says of single connections.
type fasthttpLog struct{ log *slog.Logger }

func (l fasthttpLog) Printf(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), "from", "fasthttp")
}

// Serve answers requests on a listener until Shutdown.
func (e *Edge) Serve(listener net.Listener) error {
	go e.poller.run()
	if err := e.server.Serve(listener); err != nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}

// Open lets clients in: what the edge answers from is ready.
func (e *Edge) Open(backend Backend) {
	e.backend = backend
	e.started.Store(true)
}

// Drain fails readiness and takes no more streams.
func (e *Edge) Drain() { e.draining.Store(true) }

// Shutdown takes no more connections and waits for the requests under way.
// Streams are the node's to end, before.
func (e *Edge) Shutdown(ctx context.Context) error {
	defer e.poller.close()
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
		p = requestTimeout.because("A request must be sent within %v.", readTimeout)
	}
	e.answerError(ctx, p)
	ctx.SetConnectionClose()
}
