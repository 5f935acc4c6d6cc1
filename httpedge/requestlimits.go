package httpedge

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits of a request's form. fasthttp refuses heads over headerBytes and
// bodies over bodySlack times the limit while it reads them; these are looked
// at once the head is there.
const (
	maxURLBytes    = 8 << 10
	maxHeaderLines = 100
	maxQueryParams = 50
)

// Times that hold where the config says nothing.
const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = 10 * time.Second
	defaultIdleTimeout   = 75 * time.Second
)

// onHeader says what holds for a request's body, once its head is there. From
// the head's first byte on its time is fixed: a client that sends a byte now
// and then has no more of it. So it is for the body.
func (e *Edge) onHeader(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.IsGet() || h.IsHead() {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{ReadTimeout: e.config.BodyTimeout}
}

// checkForm refuses requests that are of an unusual form.
func checkForm(ctx *fasthttp.RequestCtx) error {
	if n := len(ctx.Request.Header.RequestURI()); n > maxURLBytes {
		return urlTooLong.because("A URL may have %d bytes, not %d.", maxURLBytes, n)
	}
	if n := bytes.Count(ctx.Request.Header.RawHeaders(), []byte{'\n'}); n > maxHeaderLines {
		return headersTooLarge.because("A request may have %d header lines, not %d.", maxHeaderLines, n)
	}
	if n := bytes.Count(ctx.URI().QueryString(), []byte{'&'}) + 1; n > maxQueryParams {
		return malformed.because("A URL may have %d query parameters, not %d.", maxQueryParams, n)
	}
	return nil
}
