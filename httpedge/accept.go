package httpedge

import (
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// wantsStream says whether a client asks for server-sent events by its Accept
// header. It must name them: a browser's page takes */*, too.
func wantsStream(ctx *fasthttp.RequestCtx) bool {
	return accepts(ctx, fasthttp.HeaderAccept, "text/event-stream")
}

// acceptsGzip says whether a client takes gzip, under either of its names (RFC
// 9110, section 8.4.1.3).
func acceptsGzip(ctx *fasthttp.RequestCtx) bool {
	return accepts(ctx, fasthttp.HeaderAcceptEncoding, "gzip", "x-gzip")
}

// accepts says whether a header that lists what a client takes has one of some
// names, and not with the weight 0, which means that it is not taken (RFC 9110,
// section 12.4.2). All lines of a header are one list (section 5.3).
func accepts(ctx *fasthttp.RequestCtx, header string, names ...string) bool {
	for _, line := range ctx.Request.Header.PeekAll(header) {
		for element := range strings.SplitSeq(string(line), ",") {
			name, params, _ := strings.Cut(element, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if slices.Contains(names, name) && weight(params) > 0 {
				return true
			}
		}
	}
	return false
}

// weight gives the q of an element's parameters: 1 if there is none, 0 if it
// can't be read.
func weight(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}
