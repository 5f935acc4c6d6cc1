package httpedge

import (
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/httpedge/web"
)

// health answers GET /healthz: the process is up.
func (e *Edge) health(ctx *fasthttp.RequestCtx) error {
	answerJSON(ctx, fasthttp.StatusOK, []byte(`{"status":"up"}`))
	return nil
}

// ready answers GET /readyz: new clients are welcome.
func (e *Edge) ready(ctx *fasthttp.RequestCtx) error {
	if e.draining.Load() {
		return unavailable.because("The node is draining.").after(unavailableRetry)
	}
	state := readiness{Status: "ready"}
	if e.backend.Lag != nil {
		state.History = historyState(e.backend.Lag())
	}
	body, err := json.Marshal(state)
	if err != nil {
		return err
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// Lag is how far the store for history is behind the journal.
type Lag struct {
	Store   string // its name
	Records uint64
	Age     time.Duration // of the oldest of them
	Late    bool          // worth a warning
}

type readiness struct {
	Status  string   `json:"status"`
	History *history `json:"history,omitempty"`
}

type history struct {
	Store      string  `json:"store"`
	LagRecords uint64  `json:"lagRecords"`
	LagSeconds float64 `json:"lagSeconds"`
	Warning    string  `json:"warning,omitempty"`
}

func historyState(l Lag) *history {
	h := &history{Store: l.Store, LagRecords: l.Records, LagSeconds: l.Age.Round(100 * time.Millisecond).Seconds()}
	if l.Late {
		h.Warning = "The store lacks the newest history; the journal keeps it until the store takes it."
	}
	return h
}

// page answers with a file of the demo page.
func (e *Edge) page(ctx *fasthttp.RequestCtx) error {
	asset, ok := web.Lookup(string(ctx.Path()))
	if !ok {
		return notFound.because("There is nothing at this path.")
	}
	h := &ctx.Response.Header
	h.Set("Content-Security-Policy", web.ContentSecurityPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", web.CacheControl)
	h.Set("ETag", asset.ETag)
	if string(ctx.Request.Header.Peek("If-None-Match")) == asset.ETag {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	ctx.SetContentType(asset.ContentType)
	ctx.Response.SetBodyRaw(asset.Body)
	return nil
}
