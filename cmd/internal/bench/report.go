package bench

import "time"

// Report is all that a run found out. Its JSON is what --out writes; times in
// it are milliseconds unless the name says otherwise.
type Report struct {
	Target      string    `json:"target"`
	StartedAt   time.Time `json:"started_at"`
	Interrupted bool      `json:"interrupted"`
	Load        Load      `json:"load"`

	Joins       Joins       `json:"joins"`
	Posts       Posts       `json:"posts"`
	Reactions   *Reactions  `json:"reactions,omitempty"`
	Deliveries  Deliveries  `json:"deliveries"`
	Correctness Correctness `json:"correctness"`
	Stalled     *Stalled    `json:"stalled,omitempty"`
	Restart     *Restart    `json:"restart,omitempty"`
	Server      *Process    `json:"server,omitempty"`
	Tool        Tool        `json:"tool"`
	Floor       *Floor      `json:"floor,omitempty"`

	Seconds     []Second `json:"seconds"`
	Percentiles []Point  `json:"percentiles"`
	Warnings    []string `json:"warnings,omitempty"`
}

// Load is what the run was told to do.
type Load struct {
	Viewers     int     `json:"viewers"`
	Gzip        bool    `json:"gzip"`
	WebSocket   bool    `json:"websocket"`
	Rate        float64 `json:"comments_per_second"`
	Seconds     float64 `json:"seconds"`
	MessageSize int     `json:"message_characters"`
	PostWorkers int     `json:"post_workers"`
	Stalled     int     `json:"stalled_viewers"`
	Churn       float64 `json:"churn_per_second"`
	OneAtATime  bool    `json:"one_at_a_time"`
	Reactions   float64 `json:"reactions_per_second,omitempty"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Joins are the viewers' first connections.
type Joins struct {
	Joined    int64   `json:"joined"`
	Failed    int64   `json:"failed"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
}

// Posts are the comments sent in the measured load.
type Posts struct {
	Offered     int              `json:"offered"`
	Answered    int              `json:"answered"`
	Refused     int              `json:"refused"`
	Expired     int              `json:"expired"`
	PerSecond   float64          `json:"answered_per_second"`
	FromDue     Latency          `json:"latency_from_intended_time"`
	Service     Latency          `json:"service_time"`
	SentLate    int64            `json:"sent_late"`
	Starved     int64            `json:"sent_late_for_lack_of_a_connection"`
	Retries     map[string]int64 `json:"retries,omitempty"`
	RefusedWith string           `json:"refused_with,omitempty"`
}

// Reactions are the requests with reactions that were sent in the measured load.
type Reactions struct {
	Requests    int64   `json:"requests"`
	Refused     int64   `json:"refused"`
	Count       int     `json:"reactions_per_request"`
	PerSecond   float64 `json:"accepted_per_second"` // reactions
	Latency     Latency `json:"latency_from_intended_time"`
	RefusedWith string  `json:"refused_with,omitempty"`
}

// Deliveries are comments that arrived at viewers, over the measured load.
type Deliveries struct {
	Comments         int64   `json:"comments"`
	PerSecond        float64 `json:"per_second"`
	Latency          Latency `json:"latency"`
	LastViewer       Latency `json:"time_to_last_viewer"`
	Frames           int64   `json:"frames"`
	OtherFrames      int64   `json:"other_frames"`
	CommentsPerFrame float64 `json:"comments_per_frame"`
	FramesPerSecond  float64 `json:"frames_per_viewer_and_second"`
	Bytes            int64   `json:"bytes"`
	BytesPerComment  float64 `json:"bytes_per_comment"`
}

// Correctness is the verdict on the viewers that went on reading.
type Correctness struct {
	Verdict
	Gaps       int64  `json:"gap_events"`
	Garbled    int64  `json:"streams_not_understood"`
	Cuts       int64  `json:"connections_ended_by_server"`
	Reconnects int64  `json:"reconnects"`
	Left       int64  `json:"left_in_churn"`
	Away       int64  `json:"not_connected_at_end"`
	Fault      string `json:"first_fault,omitempty"`
}

// Stalled is what became of the viewers that stopped reading, when they read
// again after the load.
type Stalled struct {
	Verdict
	Viewers int   `json:"viewers"`
	Cut     int   `json:"ended_by_server"`
	Gaps    int64 `json:"gap_events"`
}

// Restart is the phase of --reconnect.
type Restart struct {
	CutByServer int     `json:"cut_by_server"`
	CutByTool   int     `json:"cut_by_tool"`
	Missed      int     `json:"comments_missed"`
	Viewers     int     `json:"viewers"`
	Whole       int     `json:"viewers_whole"`
	AllWhole    float64 `json:"all_whole_seconds"` // 0: never
	Latency     Latency `json:"time_to_whole"`
	Gaps        int64   `json:"gap_events"`
}

// Process is the server's process, over the measured load.
type Process struct {
	PID              int     `json:"pid"`
	CPUSeconds       float64 `json:"cpu_seconds"`
	Seconds          float64 `json:"seconds"`
	DeliveriesPerCPU float64 `json:"deliveries_per_cpu_second"`
	RSSBefore        int64   `json:"rss_before_join_bytes"`
	RSSIdle          int64   `json:"rss_idle_bytes"`
	RSSAfter         int64   `json:"rss_after_load_bytes"`
	RSSPerViewer     float64 `json:"rss_per_viewer_bytes"`
	Threads          int     `json:"threads"`
}

// Tool is what the measuring itself cost.
type Tool struct {
	CPUSeconds   float64 `json:"cpu_seconds"`
	MicrosPerGet float64 `json:"cpu_microseconds_per_frame_read"`
}

// Floor is the bare write loop. The ratios are the server's figure divided by
// the floor's.
type Floor struct {
	Frames           int     `json:"frames"`
	FramesPerSecond  float64 `json:"frames_per_second"`
	FrameBytes       int     `json:"frame_bytes"`
	CommentsPerFrame int     `json:"comments_per_frame"`
	Latency          Latency `json:"latency"`
	LastViewer       Latency `json:"time_to_last_viewer"`
	CPUSeconds       float64 `json:"cpu_seconds"`
	Deliveries       int64   `json:"deliveries"`
	DeliveriesPerCPU float64 `json:"deliveries_per_cpu_second"`
	Overrun          bool    `json:"overrun"` // the loop could not keep the pace, so its latencies grew
	ToolMicrosPerGet float64 `json:"tool_cpu_microseconds_per_frame_read"`
	Percentiles      []Point `json:"percentiles"`

	RatioP50        float64 `json:"ratio_p50"`
	RatioP99        float64 `json:"ratio_p99"`
	RatioLastViewer float64 `json:"ratio_time_to_last_viewer_p50"`
	RatioCPU        float64 `json:"ratio_deliveries_per_cpu_second"`
}

// Second is one second of the measured load.
type Second struct {
	At        int     `json:"at"`
	Answered  int64   `json:"posts_answered"`
	Delivered int64   `json:"comments_delivered"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

// Point is one point of a latency distribution.
type Point struct {
	Percentile float64 `json:"percentile"`
	Ms         float64 `json:"ms"`
}
