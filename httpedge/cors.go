package httpedge

import (
	"slices"

	"github.com/valyala/fasthttp"
)

// cors says which other origins' pages may call.
type cors struct {
	any     bool
	origins []string
}

func newCORS(origins []string) *cors {
	return &cors{any: slices.Contains(origins, "*"), origins: origins}
}

// allows says whether pages of an origin may call with a cookie.
func (c *cors) allows(origin string) bool { return origin != "" && slices.Contains(c.origins, origin) }

// preflightAge is how long browsers may remember a preflight, in seconds.
const preflightAge = "7200"

// headers are the CORS headers of an answer to a page of an origin. With "*",
// pages may call, but not in the user's name: for cookies an origin must be
// listed. The star is on every answer, as a head that is too large to be read
// does not say whose page asks.
func (c *cors) headers(origin string) [][2]string {
	switch {
	case c.allows(origin):
		return [][2]string{
			{"Access-Control-Allow-Origin", origin}, {"Access-Control-Allow-Credentials", "true"}, {"Vary", "Origin"},
		}
	case c.any && len(c.origins) > 1:
		return [][2]string{{"Access-Control-Allow-Origin", "*"}, {"Vary", "Origin"}}
	case c.any:
		return [][2]string{{"Access-Control-Allow-Origin", "*"}}
	case len(c.origins) > 0:
		return [][2]string{{"Vary", "Origin"}}
	}
	return nil
}

// exposedHeaders are those of an answer that pages may read.
const exposedHeaders = "Location, Retry-After, RateLimit, RateLimit-Policy"

func (c *cors) onAnswer(ctx *fasthttp.RequestCtx) {
	headers := c.headers(string(ctx.Request.Header.Peek("Origin")))
	for _, h := range headers {
		ctx.Response.Header.Set(h[0], h[1])
	}
	if len(headers) > 1 || c.any {
		ctx.Response.Header.Set("Access-Control-Expose-Headers", exposedHeaders)
	}
}

// preflight answers a CORS preflight: it is answered alike for all paths, so
// that a page can read that there is nothing at one.
func (c *cors) preflight(ctx *fasthttp.RequestCtx) bool {
	origin := string(ctx.Request.Header.Peek("Origin"))
	if !ctx.IsOptions() || origin == "" || len(ctx.Request.Header.Peek("Access-Control-Request-Method")) == 0 {
		return false
	}
	const methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	ctx.Response.Header.Set("Allow", methods)
	if c.allows(origin) || c.any {
		ctx.Response.Header.Set("Access-Control-Allow-Methods", methods)
		ctx.Response.Header.Set("Access-Control-Allow-Headers",
			"Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Session-Token, Cache-Control")
		ctx.Response.Header.Set("Access-Control-Max-Age", preflightAge)
	}
	return true
}
