package bench

import (
	"net/url"
	"regexp"
	"time"
)

// Config is everything a run can be told; DefaultConfig fills it.
type Config struct {
	URL     string // base address of the server, http only
	Video   string // live video to watch and to post to
	Viewers int    // streams to open
	Gzip    bool   // viewers send Accept-Encoding: gzip

	WebSocket bool // viewers open WebSockets instead of server-sent events

	Rate        float64       // comments a second in total; 0 posts nothing
	Duration    time.Duration // length of the measured load
	Warmup      time.Duration // posting before the measured load; checked, not measured
	Idle        time.Duration // quiet time between joining and posting
	PostWorkers int           // keep-alive connections that post; 0: enough for the rate
	MessageSize int           // characters in a comment's message
	Users       int           // users that the posts are spread over
	Role        string        // role claim of the tokens
	Seed        uint64        // for the texts and for who leaves in churn

	Reactions     float64 // reactions a second in total, beside the comments
	ReactionCount int     // reactions in a request

	JWTSecret    string // HS256 key, used byte for byte
	DataDir      string // the key is in DataDir/jwt-secret
	Token        string // a ready token, instead of a key
	ViewerTokens bool   // viewers send a token too

	Stalled    int     // viewers that stop reading after they joined
	Churn      float64 // viewers a second that leave, each replaced by a new one
	OneAtATime bool    // the next comment waits for the last viewer of the one before
	Reconnect  bool    // restart phase after the load
	RestartCmd string  // shell command that restarts the server
	Missed     int     // comments posted while the server restarts

	Floor           bool          // measure a bare write loop too
	FloorFrames     float64       // frames a second of the floor; 0: as many as the server sent
	FloorDuration   time.Duration // at most; 0: as long as the load, up to 10 s
	FloorSendBuffer int           // SO_SNDBUF of the floor's sockets in bytes; 0: the kernel's choice

	PID             int           // process id of the server; 0: unknown
	Readers         int           // threads that read streams
	JoinConcurrency int           // joins under way at once
	PostDeadline    time.Duration // a post is tried again until then
	Settle          time.Duration // wait for missing comments as long as others still arrive within this time

	Out   string // JSON report; "-" is standard output
	HTML  string // HTML report
	Quiet bool   // no progress bar

	// FloorCommand starts the floor's child process. Empty: this executable
	// with the arguments "bench bench-floor".
	FloorCommand []string
}

// DefaultConfig is a small run against a server on this machine.
func DefaultConfig() Config {
	return Config{
		URL: "http://127.0.0.1:8080", Video: "bench", Viewers: 1000,
		Rate: 100, Duration: 10 * time.Second, Warmup: time.Second, Idle: time.Second,
		MessageSize: 60, Users: 100, Role: "admin", Seed: 1, ReactionCount: 50,
		Missed: 100, Readers: 1, JoinConcurrency: 256,
		PostDeadline: 10 * time.Second, Settle: 5 * time.Second,
	}
}

var videoPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate says what is wrong with the configuration in words for whoever
// typed the flags, and settles what was left to be chosen. Its errors are
// ErrUsage.
func (c *Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return usagef("--url %q: %w", c.URL, err)
	case u.Scheme != "http" || u.Host == "":
		return usagef("--url %q: want http://host:port (TLS is not measured by this tool)", c.URL)
	case u.Path != "" && u.Path != "/", u.RawQuery != "":
		return usagef("--url %q: want only http://host:port, with no path", c.URL)
	case !videoPattern.MatchString(c.Video):
		return usagef("--video %q: want 1 to 64 letters, digits, - or _", c.Video)
	}
	if c.PostWorkers == 0 {
		// Enough for answers that take a quarter of a second.
		c.PostWorkers = int(min(max(c.Rate/4, 64), 1024))
	}
	if err := c.validateNumbers(); err != nil {
		return err
	}
	if err := c.validateModes(); err != nil {
		return err
	}
	return c.checkOpenFiles()
}

func (c *Config) validateNumbers() error {
	for _, n := range []struct {
		flag         string
		is, min, max int
	}{
		{"--viewers", c.Viewers, 1, 1 << 20},
		{"--post-workers", c.PostWorkers, 1, 4096},
		{"--users", c.Users, 1, 100_000},
		{"--message-size", c.MessageSize, minMessageSize, 500},
		{"--reaction-count", c.ReactionCount, 1, 50},
		{"--stalled", c.Stalled, 0, c.Viewers - 1},
		{"--readers", c.Readers, 1, 16},
		{"--join-concurrency", c.JoinConcurrency, 1, 100_000},
		{"--missed", c.Missed, 1, 1_000_000},
		{"--floor-sndbuf", c.FloorSendBuffer, 0, 1 << 30},
		{"--pid", c.PID, 0, 1 << 30},
	} {
		if n.is < n.min || n.is > n.max {
			return usagef("%s %d: want %d to %d", n.flag, n.is, n.min, n.max)
		}
	}
	for _, n := range []struct {
		flag    string
		is, max float64
	}{
		{"--rate", c.Rate, 1e6},
		{"--reactions", c.Reactions, 1e7},
		{"--churn", c.Churn, 1e4},
		{"--floor-frames", c.FloorFrames, 1e5},
	} {
		if !(n.is >= 0 && n.is <= n.max) {
			return usagef("%s %g: want 0 to %g", n.flag, n.is, n.max)
		}
	}
	for _, d := range []struct {
		flag    string
		is, min time.Duration
	}{
		{"--duration", c.Duration, time.Millisecond},
		{"--warmup", c.Warmup, 0},
		{"--idle", c.Idle, 0},
		{"--post-deadline", c.PostDeadline, time.Millisecond},
		{"--settle", c.Settle, time.Millisecond},
		{"--floor-duration", c.FloorDuration, 0},
	} {
		if d.is < d.min {
			return usagef("%s %s: want at least %s", d.flag, d.is, d.min)
		}
	}
	return nil
}

func (c *Config) validateModes() error {
	switch {
	case (c.posts() || c.Reactions > 0) && c.Token == "" && c.JWTSecret == "" && c.DataDir == "":
		return usagef("posting needs a token: give --data DIR (the server's data folder), --jwt-secret or --token, or --rate 0 and no --reactions to post nothing")
	case c.WebSocket && c.Gzip:
		return usagef("--ws does not go with --gzip: WebSockets are not compressed")
	case c.Reconnect && !c.posts():
		return usagef("--reconnect posts comments, so it cannot go with --rate 0")
	case c.Reconnect && c.RestartCmd == "" && !isTerminal(0):
		return usagef("--reconnect asks for a restart on the terminal, and there is none: give --restart-cmd (\"true\" restarts nothing and only cuts the connections)")
	case c.RestartCmd != "" && !c.Reconnect:
		return usagef("--restart-cmd goes with --reconnect")
	case c.Floor && !c.posts() && c.FloorFrames == 0:
		return usagef("--floor repeats the frames that were seen, and --rate 0 makes none")
	}
	return nil
}

// posts says whether the run posts comments.
func (c *Config) posts() bool { return c.Rate > 0 || c.OneAtATime }
