package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// defaultJWKSRefresh is how often keys are fetched: so often that a key
	// which is withdrawn ends streams within a minute.
	defaultJWKSRefresh = 20 * time.Second
	// leastBetweenFetches: whatever keys are asked for, they are fetched no
	// more often than this.
	leastBetweenFetches = 5 * time.Second
	// fetchTimeout bounds a fetch, and so how long a token that names an
	// unknown key waits for it.
	fetchTimeout = 5 * time.Second
)

// remoteKeys are the keys of a JWKS that is fetched from a URL. The last good
// ones stay in force while the URL is away or serves something else.
type remoteKeys struct {
	ring    keyring
	url     string
	client  *http.Client
	every   time.Duration
	least   time.Duration
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex
	flight chan struct{} // closed when the fetch under way is over; nil: none is
	began  time.Time     // of the last fetch
	failed error         // of the last fetch
	any    bool          // one has succeeded

	tag string // ETag of the keys; the flight's
}

var errNotFetched = errors.New("not fetched yet")

func newRemoteKeys(c Config, m *metrics) *remoteKeys {
	every := c.JWKSRefresh
	if every == 0 {
		every = defaultJWKSRefresh
	}
	return &remoteKeys{
		url: c.JWKSURL, client: newClient(redirectsTo(c.JWKSURL)), every: every,
		least: min(leastBetweenFetches, every), timeout: fetchTimeout,
		now: c.Now, log: c.Log, metrics: m, failed: errNotFetched,
	}
}

// redirectsTo follows a few redirects, but none from TLS to plain text.
func redirectsTo(from string) func(*http.Request, []*http.Request) error {
	u, err := url.Parse(from)
	secure := err == nil && u.Scheme == "https"
	return func(next *http.Request, via []*http.Request) error {
		if len(via) > 3 || secure && next.URL.Scheme != "https" {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// newClient makes an HTTP client of its own connections.
func newClient(redirects func(*http.Request, []*http.Request) error) *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: maxQuestions, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: fetchTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: transport, CheckRedirect: redirects}
}

// run fetches the keys at intervals until ctx ends.
func (k *remoteKeys) run(ctx context.Context) {
	defer k.client.CloseIdleConnections()
	for {
		_ = k.refetch(ctx) // it is in the log
		// Nodes that were started together don't fetch together for long.
		wait := time.NewTimer(k.every*9/10 + rand.N(k.every/5+1)) //nolint:gosec // jitter is no secret
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// fetched says whether the keys have ever been fetched.
func (k *remoteKeys) fetched() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.any
}

// refetch fetches the keys if that was not done just now, and waits for it. The
// error is ErrUnavailable: what the keys are now can't be known.
func (k *remoteKeys) refetch(ctx context.Context) error {
	k.mu.Lock()
	flight := k.flight
	if flight == nil && (k.began.IsZero() || k.now().Sub(k.began) >= k.least) {
		flight = make(chan struct{})
		k.flight, k.began = flight, k.now()
		go k.fetchOnce(context.WithoutCancel(ctx), flight)
	}
	k.mu.Unlock()
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return ErrUnavailable
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil {
		return ErrUnavailable
	}
	return nil
}

// fetchOnce fetches for all who wait for the flight. Nobody's leaving ends it
// for the others.
func (k *remoteKeys) fetchOnce(ctx context.Context, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	err := k.fetch(ctx)
	k.metrics.fetched(err)
	k.mu.Lock()
	before := k.failed
	k.failed, k.flight = err, nil
	k.any = k.any || err == nil
	k.mu.Unlock()
	defer close(flight)
	first := before == nil || errors.Is(before, errNotFetched)
	switch {
	case err != nil && first:
		k.log.Warn("keys of tokens can't be fetched; those that are known stay in force", "error", err)
	case err == nil && !first:
		k.log.Info("keys of tokens can be fetched again")
	}
}

func (k *remoteKeys) fetch(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return fmt.Errorf("asking for the JWKS: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if k.tag != "" {
		req.Header.Set("If-None-Match", k.tag)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for the JWKS: %w", err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && k.tag != "":
		return nil
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("asking for the JWKS: status %d", res.StatusCode)
	}
	document, err := readAtMost(res.Body, maxJWKSBytes)
	if err != nil {
		return fmt.Errorf("reading the JWKS: %w", err)
	}
	if err := k.ring.read(document, k.log); err != nil {
		return err
	}
	k.tag = res.Header.Get("ETag")
	return nil
}
