package identity

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what is asked of other servers.
type metrics struct {
	fetches    *prometheus.CounterVec
	questions  *prometheus.CounterVec
	remembered prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "barrage", Name: "jwks_fetches_total", Help: "Fetches of the keys of tokens from auth.jwks_url.",
		}, []string{"result"}),
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "barrage", Name: "introspections_total", Help: "Questions to auth.introspection_url, by what was answered.",
		}, []string{"result"}),
		remembered: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "barrage", Name: "introspections_remembered_total", Help: "Session tokens whose answer was remembered.",
		}),
	}
	registry.MustRegister(m.fetches, m.questions, m.remembered)
	return m
}

func (m *metrics) fetched(err error) {
	if err != nil {
		m.fetches.WithLabelValues("failed").Inc()
		return
	}
	m.fetches.WithLabelValues("ok").Inc()
}
