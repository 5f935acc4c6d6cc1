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
	// messages are those of WebSockets' clients: answered with an error or not.
	messages, badMessages prometheus.Counter
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
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "websocket_messages_total", Help: "Messages of clients over WebSockets, by their outcome: ok or error.",
	}, []string{"outcome"})
	m.messages, m.badMessages = messages.WithLabelValues("ok"), messages.WithLabelValues("error")
	registry.MustRegister(m.requests, refused, messages,
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

// socketMessage counts a message of a client.
func (m *metrics) socketMessage(err error) {
	if err != nil {
		m.badMessages.Inc()
	} else {
		m.messages.Inc()
	}
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

// gateMetrics counts the connections that were closed without an answer.
type gateMetrics struct {
	refused map[string]prometheus.Counter
}

// gateRefusals are why: taking it failed, its address has too many, its PROXY
// header is missing or none, it made room for another.
var gateRefusals = []string{"accept", "address", "proxy", "waited"}

func newGateMetrics(registry prometheus.Registerer, e *Edge) *gateMetrics {
	m := &gateMetrics{refused: map[string]prometheus.Counter{}}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "http_connections_refused_total", Help: "Connections closed without an answer, by reason.",
	}, []string{"reason"})
	for _, reason := range gateRefusals {
		m.refused[reason] = refused.WithLabelValues(reason)
	}
	registry.MustRegister(refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "barrage", Name: "http_connections_open", Help: "Connections that are no streams.",
	}, func() float64 { return e.gate.connections() }))
	return m
}
