package actors

import "github.com/prometheus/client_golang/prometheus"

// closeReason is why a stream ended.
type closeReason int

const (
	closedByClient closeReason = iota
	closedByNode
	closedTooSlow
	closeReasons
)

var closeReasonNames = [closeReasons]string{"client", "node", "too_slow"}

// Metrics counts what the actors do.
type Metrics struct {
	comments      prometheus.Counter
	activations   prometheus.Counter
	frames        prometheus.Counter
	deliveries    prometheus.Counter
	gaps          prometheus.Counter
	slowRelays    prometheus.Counter
	gapComments   prometheus.Counter
	streamsClosed [closeReasons]prometheus.Counter
	refused       [refusals]prometheus.Counter
	reactions     prometheus.Counter
	mutes         prometheus.Counter
	held          prometheus.Gauge
}

// refusal is why the owner of a live video refused a post.
type refusal int

const (
	refusedEnded refusal = iota
	refusedMuted
	refusedSlowMode
	refusedRepeated
	refusedNoParent
	refusedHeldFull
	refusedHeldOfUser
	refusedRejected
	refusals
)

var refusalNames = [refusals]string{"ended", "muted", "slow_mode", "repeated", "no_parent", "held_full", "held_of_user", "rejected"}

// NewMetrics registers the actors' metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "barrage", Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	m := &Metrics{
		comments:    counter("comments_posted_total", "Comments made durable by the live videos of this node."),
		activations: counter("live_video_activations_total", "Live videos started on this node."),
		frames:      counter("frames_total", "Frames handed to the viewers of a room, or of a part of it."),
		deliveries:  counter("comment_deliveries_total", "Comments handed to viewers, each viewer counted."),
		slowRelays:  counter("slow_nodes_total", "Times that a node was sent nothing more of a live video, as too much was on its way to it."),
		gaps:        counter("stream_gaps_total", "Gaps announced to viewers."),
		gapComments: counter("stream_gap_comments_total", "Comments that viewers were too slow for."),
	}
	closed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "streams_closed_total", Help: "Streams that ended, by who or what ended them.",
	}, []string{"reason"})
	registry.MustRegister(closed)
	for reason, name := range closeReasonNames {
		m.streamsClosed[reason] = closed.WithLabelValues(name)
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "posts_refused_total", Help: "Posts refused by the live videos of this node, by reason.",
	}, []string{"reason"})
	registry.MustRegister(refused)
	for reason, name := range refusalNames {
		m.refused[reason] = refused.WithLabelValues(name)
	}
	m.reactions = counter("reactions_counted_total", "Reactions made durable by the live videos of this node.")
	m.mutes = counter("mutes_total", "Mutes, and their ends, made durable by the live videos of this node.")
	m.held = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "barrage", Name: "held_comments", Help: "Comments that wait for moderators, in the live videos active on this node.",
	})
	registry.MustRegister(m.held)
	return m
}
