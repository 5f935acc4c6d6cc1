package httpedge

import (
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
	answerJSON(ctx, fasthttp.StatusOK, []byte(`{"status":"ready"}`))
	return nil
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
