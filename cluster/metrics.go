package cluster

import (
	"github.com/prometheus/client_golang/prometheus"

	"barrage/cluster/membership"
)

// metrics counts what the cluster does.
type metrics struct {
	members, reachable prometheus.Gauge
	sent               prometheus.Counter
	again              prometheus.Counter
	offered, claimed   prometheus.Counter
}

// watchConsul shows how it stands with Consul.
func watchConsul(registry prometheus.Registerer, c *membership.Consul, p *peers) {
	add := func(counts bool, name, help string, value func(s membership.Stats) float64) {
		f := func() float64 { return value(c.Stats()) }
		if counts {
			registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "barrage", Subsystem: "cluster", Name: name, Help: help}, f))
		} else {
			registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "barrage", Subsystem: "cluster", Name: name, Help: help}, f))
		}
	}
	add(true, "rejoins_total", "Times that this node came back under a new member id.", func(s membership.Stats) float64 { return float64(s.Rejoins) })
	add(true, "halts_total", "Times that this process stood still for long.", func(s membership.Stats) float64 { return float64(s.Halts) })
	add(true, "consul_failures_total", "Requests to Consul that failed.", func(s membership.Stats) float64 { return float64(s.FailedReads + s.FailedUpdates) })
	add(false, "consul_fresh", "1 while Consul answers about the members.", func(s membership.Stats) float64 {
		if s.Fresh {
			return 1
		}
		return 0
	})
	add(false, "clock_skew_seconds", "By how much the clocks of other nodes differ, at most, and how long their pings take.", func(membership.Stats) float64 { return p.skew().Seconds() })
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "barrage", Subsystem: "cluster", Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "barrage", Subsystem: "cluster", Name: name, Help: help})
		registry.MustRegister(g)
		return g
	}
	return &metrics{
		members:   gauge("members", "Members of the cluster, as this node knows."),
		reachable: gauge("reachable_members", "Members that this node can reach, itself included unless it leaves."),
		sent:      counter("sent_bytes_total", "Bytes of messages to other nodes."),
		again:     counter("requests_repeated_total", "Requests to owners of live videos that were sent again."),
		offered:   counter("live_videos_offered_total", "Live videos that this node handed over, or tried to."),
		claimed:   counter("live_videos_claimed_total", "Live videos that this node asked other nodes about, to own them."),
	}
}
