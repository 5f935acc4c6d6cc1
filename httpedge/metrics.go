package httpedge

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/valyala/fasthttp"
)

// metrics counts what the edge answers.
type metrics struct {
	requests *prometheus.CounterVec
	refused  map[refusal]prometheus.Counter
}

func newMetrics(registry *prometheus.Registry, e *Edge) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "barrage", Name: "http_requests_total", Help: "Requests answered, streams not counted.",
		}, []string{"method", "status"}),
		refused: map[refusal]prometheus.Counter{},
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "streams_refused_total", Help: "Streams that were told to come back later, by reason.",
	}, []string{"reason"})
	for _, r := range refusals {
		m.refused[r] = refused.WithLabelValues(string(r))
	}
	registry.MustRegister(m.requests, refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "barrage", Name: "streams_open", Help: "Streams open on this node.",
		}, e.streams),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// streams is the number of open streams.
func (e *Edge) streams() float64 {
	if !e.started.Load() {
		return 0
	}
	return float64(e.backend.Node.Streams())
}

// answered counts an answer.
func (m *metrics) answered(ctx *fasthttp.RequestCtx) {
	if ctx.Hijacked() {
		return
	}
	method := string(ctx.Method())
	switch method {
	case fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodDelete:
	default:
		method = "other" // a client must not make up label values
	}
	m.requests.WithLabelValues(method, strconv.Itoa(ctx.Response.StatusCode())).Inc()
}
