package httpedge

import (
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"barrage/httpedge/web"
)

// endpoint handles a request; an error becomes a problem.
type endpoint func(ctx *fasthttp.RequestCtx) error

// handler answers all requests.
func (e *Edge) handler() fasthttp.RequestHandler { return e.outermost(e.routes().Handler) }

// routes is the table of all that the edge answers, as openapi.yaml describes it.
func (e *Edge) routes() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.SaveMatchedRoutePath = false
	r.HandleOPTIONS = false
	nothing := notFound.because("There is nothing at this path.")
	r.NotFound = e.endpoint(func(*fasthttp.RequestCtx) error { return nothing })
	r.MethodNotAllowed = e.endpoint(func(ctx *fasthttp.RequestCtx) error {
		// The router takes /* for the server as a whole, too, whose methods it
		// lists with its own name for all.
		allow, whole := strings.CutPrefix(string(ctx.Response.Header.Peek("Allow")), router.MethodWild+", ")
		if whole && string(ctx.URI().PathOriginal()) != "*" {
			ctx.Response.Header.Del("Allow")
			return nothing
		}
		return onlyAllowed(ctx, allow)
	})
	get := func(path string, f endpoint) {
		r.GET(path, e.endpoint(f))
		r.HEAD(path, e.endpoint(f))
	}
	// refuseOthers is for a path that looks like that of a comment, but is not:
	// what can be done with a comment is not possible there.
	refuseOthers := func(path string, taken ...string) {
		allow := strings.Join(append(taken, fasthttp.MethodOptions), ", ")
		refuse := e.endpoint(func(ctx *fasthttp.RequestCtx) error { return onlyAllowed(ctx, allow) })
		for _, method := range []string{fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodDelete} {
			if !slices.Contains(taken, method) {
				r.Handle(method, path, refuse)
			}
		}
		r.ANY(path, refuse) // whatever has no route of its own
	}

	get("/comments/{liveVideoId}", e.listComments)
	r.POST("/comments/{liveVideoId}", e.endpoint(e.postComment))
	get("/comments/{liveVideoId}/stream", e.streamVideo)
	refuseOthers("/comments/{liveVideoId}/stream", fasthttp.MethodGet, fasthttp.MethodHead)
	r.POST("/comments/{liveVideoId}/reactions", e.endpoint(e.postReactions))
	refuseOthers("/comments/{liveVideoId}/reactions", fasthttp.MethodPost)
	r.GET("/comments/{liveVideoId}/ws", e.endpoint(e.streamSocket))
	refuseOthers("/comments/{liveVideoId}/ws", fasthttp.MethodGet)
	get("/comments/{liveVideoId}/{commentId}", e.getComment)
	r.DELETE("/comments/{liveVideoId}/{commentId}", e.endpoint(e.deleteComment))
	get("/comments/{liveVideoId}/{commentId}/replies", e.listReplies)
	get("/stream", e.streamBundle)
	get("/videos", e.listVideos)
	get("/videos/{liveVideoId}", e.getVideo)
	r.PUT("/videos/{liveVideoId}", e.endpoint(e.putVideo))
	get("/videos/{liveVideoId}/mutes", e.listMutes)
	r.PUT("/videos/{liveVideoId}/mutes/{userId}", e.endpoint(e.putMute))
	r.DELETE("/videos/{liveVideoId}/mutes/{userId}", e.endpoint(e.deleteMute))
	get("/videos/{liveVideoId}/held", e.listHeld)
	r.POST("/videos/{liveVideoId}/held/{heldId}/approve", e.endpoint(e.approve))
	r.POST("/videos/{liveVideoId}/held/{heldId}/reject", e.endpoint(e.reject))
	get("/videos/{liveVideoId}/audit", e.listAudit)
	if e.config.Guest {
		r.POST("/guest", e.endpoint(e.postGuest))
	}

	get("/healthz", e.health)
	get("/readyz", e.ready)
	metrics := fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(e.config.Registry, promhttp.HandlerOpts{}))
	get("/cluster", e.getCluster)
	get("/cluster/node", e.getNode)
	get("/metrics", func(ctx *fasthttp.RequestCtx) error { metrics(ctx); return nil })
	for _, path := range web.Paths() {
		get(path, e.page)
	}
	return r
}

// onAnswer puts on an answer what all have. Without CORS headers a page would not
// be shown why it was refused.
func (e *Edge) onAnswer(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	e.auth.cors.onAnswer(ctx)
}

// outermost answers preflights, also that of a request of an unusual form, and
// refuses such requests themselves: only that can a page be shown.
func (e *Edge) outermost(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		e.gate.served(ctx.Conn())
		e.onAnswer(ctx)
		if e.auth.cors.preflight(ctx) {
			return
		}
		if err := checkForm(ctx); err != nil {
			e.answerError(ctx, err)
			e.metrics.answered(ctx)
			return
		}
		if e.started.Load() || isUp(ctx) {
			next(ctx)
		} else {
			e.notYet(ctx)
		}
		e.metrics.answered(ctx)
	}
}

// isUp says whether a request asks how the process is, or what could be asked of
// it, not for what it serves.
func isUp(ctx *fasthttp.RequestCtx) bool {
	path := string(ctx.Path())
	return path == "/healthz" || path == "/metrics" || ctx.IsOptions()
}

// notYet answers a client that comes while the node still reads its journal.
func (e *Edge) notYet(ctx *fasthttp.RequestCtx) {
	if wantsStream(ctx) || strings.HasSuffix(string(ctx.Path()), "/stream") {
		e.metrics.refused[refusedStart].Inc()
		e.comeBackLater(ctx, 0)
		return
	}
	if isHandshake(ctx) {
		if head, err := handshake(ctx); err == nil {
			e.metrics.refused[refusedStart].Inc()
			putOffSocket(ctx, head, 0)
			return
		}
	}
	e.answerError(ctx, unavailable.because("The node is starting.").after(unavailableRetry))
}

// endpoint makes a fasthttp handler of an endpoint.
func (e *Edge) endpoint(f endpoint) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if err := f(ctx); err != nil {
			e.answerError(ctx, err)
		}
	}
}

// onlyAllowed says which methods a path has, to who asks for just that, or for
// one that it has not.
func onlyAllowed(ctx *fasthttp.RequestCtx, allow string) error {
	if ctx.IsOptions() {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		ctx.Response.Header.Set("Allow", allow)
		return nil
	}
	p := methodNotAllowed.because("%s is not possible here; these methods are: %s.", ctx.Method(), allow)
	p.allow = allow
	return p
}

func answerJSON(ctx *fasthttp.RequestCtx, status int, body []byte) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.SetBodyRaw(body)
}
