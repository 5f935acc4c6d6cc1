package moderation

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// Webhook is a site's own service that is asked about texts. It gets a POST
// with a JSON body
//
//	{"liveVideoId":"…","userId":"…","userName":"…","message":"…"}
//
// and answers 200 with
//
//	{"action":"allow"|"mask"|"hold"|"block","message":"…"}
//
// where message is only read with mask, and takes the text's place.
type Webhook struct {
	// URL is http or https; empty: there is none.
	URL string
	// Secret signs requests: X-Barrage-Signature is the hex HMAC-SHA256, by the
	// secret, of X-Barrage-Timestamp (Unix seconds), a full stop, and the body.
	// Empty: they are not signed.
	Secret string
	// Timeout bounds the wait for an answer; default DefaultTimeout.
	Timeout time.Duration
	// Away is what becomes of texts while there is no good answer in time:
	// Allow, Hold or Block.
	Away Action
	// Concurrent is how many requests are under way at once at most; texts
	// beyond are treated as Away says. Default DefaultConcurrent.
	Concurrent int
	// Clean checks a message that the service has put in place of another; nil:
	// it is taken as it is.
	Clean func(message string) (string, error)
}

// Defaults of a webhook, and limits.
const (
	DefaultTimeout    = 500 * time.Millisecond
	DefaultConcurrent = 256
	maxWebhookAnswer  = 64 << 10 // bytes
)

// Validate says what of the config can't work.
func (w *Webhook) Validate() error {
	if w.URL == "" {
		return nil
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil:
		return fmt.Errorf("moderation: the webhook's URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("moderation: the webhook's URL must begin with http:// or https:// and a host")
	case w.Away == Mask:
		return errors.New("moderation: without the webhook texts can be allowed, held or blocked, not masked")
	case w.Timeout < 0 || w.Concurrent < 0:
		return errors.New("moderation: the webhook's timeout and number of requests must not be negative")
	}
	return nil
}

// webhook asks the service. After failures in a row it is not asked for a
// while, so that a dead service does not cost every post the whole timeout.
type webhook struct {
	config  Webhook
	client  *http.Client
	slots   chan struct{}
	breaker *gobreaker.CircuitBreaker[Verdict]
	seconds prometheus.Histogram
	failed  prometheus.Counter
}

const (
	// failuresToOpen is after how many failures in a row the service counts as
	// away, and awayFor how long it is not asked then.
	failuresToOpen = 5
	awayFor        = 5 * time.Second
)

func newWebhook(config Webhook, registry *prometheus.Registry) (*webhook, error) {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Concurrent == 0 {
		config.Concurrent = DefaultConcurrent
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = config.Concurrent, config.Concurrent
	w := &webhook{
		config: config, slots: make(chan struct{}, config.Concurrent),
		client: &http.Client{
			Transport: transport, Timeout: config.Timeout,
			// Where texts go, the operator has said.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		breaker: gobreaker.NewCircuitBreaker[Verdict](gobreaker.Settings{
			Name: "moderation webhook", Timeout: awayFor,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
			// A client that has hung up says nothing about the service, and a
			// text that the service does not take nothing about others.
			IsSuccessful: func(err error) bool {
				return err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errThisText)
			},
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "barrage_moderation_webhook_seconds", Help: "Time until the webhook answered.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "barrage_moderation_webhook_failures_total", Help: "Texts for which the webhook gave no good answer in time.",
		}),
	}
	if err := errors.Join(registry.Register(w.seconds), registry.Register(w.failed)); err != nil {
		return nil, fmt.Errorf("moderation: %w", err)
	}
	return w, nil
}

// errThisText is an answer of a service that does not take a text. Whoever
// finds such a text must not keep it from being asked about those of others.
var errThisText = errors.New("the webhook does not take this text")

// refusesText says whether a status may be the answer to one text alone.
func refusesText(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// ask gives the service's verdict, or what is set for while it is away.
func (w *webhook) ask(ctx context.Context, text Text) Verdict {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	default:
		return w.away(text)
	}
	v, err := w.breaker.Execute(func() (Verdict, error) { return w.request(ctx, text) })
	if err != nil {
		return w.away(text)
	}
	return v
}

func (w *webhook) away(text Text) Verdict {
	w.failed.Inc()
	v := Verdict{Action: w.config.Away, Message: text.Message}
	if v.Action != Allow {
		v.Reason = ReasonWebhookAway
	}
	return v
}

type webhookText struct {
	LiveVideoID string `json:"liveVideoId"`
	UserID      string `json:"userId"`
	UserName    string `json:"userName,omitempty"`
	Message     string `json:"message"`
}

func (w *webhook) request(ctx context.Context, text Text) (Verdict, error) {
	began := time.Now()
	body, err := json.Marshal(webhookText(text))
	if err != nil {
		return Verdict{}, fmt.Errorf("encoding a text: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.URL, bytes.NewReader(body))
	if err != nil {
		return Verdict{}, fmt.Errorf("asking the webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if w.config.Secret != "" {
		at := strconv.FormatInt(began.Unix(), 10)
		request.Header.Set("X-Barrage-Timestamp", at)
		request.Header.Set("X-Barrage-Signature", Sign(w.config.Secret, at, body))
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return Verdict{}, fmt.Errorf("asking the webhook: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if refusesText(answer.StatusCode) {
		return Verdict{}, errThisText
	}
	if answer.StatusCode != http.StatusOK {
		return Verdict{}, fmt.Errorf("the webhook answers %s", answer.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxWebhookAnswer+1))
	if err != nil {
		return Verdict{}, fmt.Errorf("reading the webhook's answer: %w", err)
	}
	w.seconds.Observe(time.Since(began).Seconds())
	return w.verdict(raw, text.Message)
}

// verdict reads an answer.
func (w *webhook) verdict(raw []byte, message string) (Verdict, error) {
	if len(raw) > maxWebhookAnswer {
		return Verdict{}, fmt.Errorf("the webhook's answer may have %d bytes", maxWebhookAnswer)
	}
	var said struct {
		Action  string `json:"action"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return Verdict{}, fmt.Errorf("the webhook's answer: %w", err)
	}
	action, err := ParseAction(said.Action)
	if err != nil {
		return Verdict{}, fmt.Errorf("the webhook's answer: action: %w", err)
	}
	v := Verdict{Action: action, Message: message}
	if action != Allow {
		v.Reason = ReasonWebhook
	}
	if action == Mask {
		v.Message = said.Message
		if w.config.Clean != nil {
			if v.Message, err = w.config.Clean(said.Message); err != nil {
				// The text as it is must not go out, and what should take its
				// place can't: it is too long, say.
				return Verdict{Action: Hold, Message: message, Reason: ReasonWebhook}, nil
			}
		}
	}
	return v, nil
}

// Sign gives the signature of a request to a webhook.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
