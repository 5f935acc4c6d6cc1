package httpedge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/httpedge/identity"
	"barrage/persistence"
)

// problem is an error as clients see it: application/problem+json (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	retryAfter time.Duration // 0: not said
	allow      string        // 405: the methods that there are
	challenge  string        // 401: WWW-Authenticate
	upgrade    bool          // 426: to what
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// kind is a type of problem. Its name is a part of the contract: clients may
// tell problems apart by it.
type kind struct {
	name   string
	status int
	title  string
}

var (
	malformed        = kind{"malformed", fasthttp.StatusBadRequest, "Malformed request"}
	unauthorized     = kind{"unauthorized", fasthttp.StatusUnauthorized, "A valid token is needed"}
	forbidden        = kind{"forbidden", fasthttp.StatusForbidden, "Not allowed"}
	notFound         = kind{"not-found", fasthttp.StatusNotFound, "Not found"}
	methodNotAllowed = kind{"method-not-allowed", fasthttp.StatusMethodNotAllowed, "Method not allowed"}
	tooLarge         = kind{"too-large", fasthttp.StatusRequestEntityTooLarge, "Request too large"}
	notJSON          = kind{"not-json", fasthttp.StatusUnsupportedMediaType, "The body must be JSON"}
	keyReused        = kind{"idempotency-key-reused", fasthttp.StatusUnprocessableEntity, "Idempotency-Key used before"}
	hasEnded         = kind{"ended", fasthttp.StatusConflict, "The live video has ended"}
	isMuted          = kind{"muted", fasthttp.StatusForbidden, "Muted"}
	isBlocked        = kind{"blocked", fasthttp.StatusForbidden, "The text is not allowed"}
	slowMode         = kind{"slow-mode", fasthttp.StatusTooManyRequests, "Slow mode"}
	isRepeated       = kind{"repeated", fasthttp.StatusTooManyRequests, "Said before"}
	rateLimited      = kind{"rate-limited", fasthttp.StatusTooManyRequests, "Too many requests"}
	unavailable      = kind{"unavailable", fasthttp.StatusServiceUnavailable, "Not possible now"}
	urlTooLong       = kind{"url-too-long", fasthttp.StatusRequestURITooLong, "The URL is too long"}
	headersTooLarge  = kind{"headers-too-large", fasthttp.StatusRequestHeaderFieldsTooLarge, "Request headers too large"}
	upgradeRequired  = kind{"upgrade-required", fasthttp.StatusUpgradeRequired, "A WebSocket handshake is needed"}
	requestTimeout   = kind{"request-timeout", fasthttp.StatusRequestTimeout, "The request took too long"}
)

// because makes a problem of this kind.
func (k kind) because(format string, args ...any) *problem {
	p := &problem{Type: "urn:barrage:problem:" + k.name, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
	if k == unauthorized {
		p.challenge = `Bearer realm="barrage"`
	}
	return p
}

// badToken makes the problem of a token that is no good: RFC 6750, section 3.1,
// tells it from none.
func badToken(reason string) *problem {
	p := unauthorized.because("%s", reason)
	p.challenge += `, error="invalid_token"`
	return p
}

// after says when it may be worth trying again.
func (p *problem) after(d time.Duration) *problem {
	p.retryAfter = max(d, time.Second)
	return p
}

// wait is how long it is of no use to try again, if that is known. A problem of
// nil is none.
func (p *problem) wait() time.Duration {
	if p == nil {
		return 0
	}
	return p.retryAfter
}

// unavailableRetry is what clients are told when a comment can't be stored.
const unavailableRetry = 2 * time.Second

// asProblem is the one place where an error becomes what clients see. method
// and path are for the log.
func (e *Edge) asProblem(err error, method, path string) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, identity.ErrUnavailable):
		// Counted and logged where it comes from.
		e.log.Debug("a token can't be checked now", "path", path, "error", err)
		p = unavailable.because("Whose token this is can't be found out now.").after(unavailableRetry)
	case errors.Is(err, persistence.ErrUnavailable):
		// Known, and counted where it comes from.
		e.log.Debug("history can't be read now", "path", path, "error", err)
		p = unavailable.because("This part of history can't be read now.").after(unavailableRetry)
	case errors.Is(err, context.DeadlineExceeded):
		e.log.Warn("not answered in time", "path", path, "error", err)
		p = unavailable.because("The live video can't be reached now.").after(unavailableRetry)
	default:
		// Not the client's doing, and not for its eyes.
		e.log.Error("request failed", "method", method, "path", path, "error", err)
		p = unavailable.because("The server can't answer this now.").after(unavailableRetry)
	}
	return p
}

// retrySeconds is the value of Retry-After, 0 if there is none.
func (p *problem) retrySeconds() int { return int(math.Ceil(p.retryAfter.Seconds())) }

// answerError answers a request with an error.
func (e *Edge) answerError(ctx *fasthttp.RequestCtx, err error) {
	p := e.asProblem(err, string(ctx.Method()), string(ctx.Path()))
	body, err := json.Marshal(p)
	if err != nil { // strings and a number always encode
		panic(err)
	}
	ctx.Response.ResetBody()
	ctx.SetStatusCode(p.Status)
	ctx.SetContentType("application/problem+json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(p.retrySeconds()))
	}
	if p.allow != "" {
		ctx.Response.Header.Set("Allow", p.allow)
	}
	if p.upgrade {
		ctx.Response.Header.Set("Upgrade", "websocket")
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Sec-WebSocket-Version", "13")
	}
	if p.challenge != "" {
		ctx.Response.Header.Set("WWW-Authenticate", p.challenge)
	}
	ctx.SetBody(body)
}
