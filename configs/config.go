// Package configs holds every setting of a node: its name, default, meaning
// and bounds, and reads it from a YAML file, the environment and flags.
//
// The table in settings.go is the one place where a setting is described;
// flags, environment names, defaults and docs/configuration.md derive from it.
package configs

import "time"

// Config is what a node runs with. Sizes are in bytes, rates per second; a
// limit of 0 means none unless its comment says otherwise.
type Config struct {
	Data         string // folder of journal, store and secret
	LogLevel     string // debug, info, warn or error
	LogFormat    string // text or json
	DrainTimeout time.Duration

	HTTP    HTTP
	Auth    Auth
	Limits  Limits
	Stream  Stream
	Journal Journal
	Store   Store
	Videos  Videos

	ClickHouse ClickHouse
}

// HTTP is the edge.
type HTTP struct {
	Addr         string   // host:port; port 0 picks a free one
	CORSOrigins  []string // "*" or scheme://host[:port]; empty: no cross-origin reads
	MaxBodyBytes int64
}

// Auth says who may do what.
type Auth struct {
	JWTSecret          string // HS256 key; empty: the one kept in the data folder
	Guest              bool   // POST /guest gives out viewer tokens
	RequireTokenToRead bool
	CookieName         string
}

// Limits bound what one user, address or node may ask for.
type Limits struct {
	PostsPerSecond           float64
	PostsBurst               int
	ReactionsPerSecond       float64
	ReactionsBurst           int
	PostsPerSecondPerAddress float64
	StreamsPerNode           int // 0: RLIMIT_NOFILE less a reserve
	StreamsPerAddress        int
	StreamsPerUser           int
	JoinsPerSecond           float64
}

// Stream shapes the SSE streams and what a viewer may cost.
type Stream struct {
	Heartbeat     time.Duration // silence after which a comment line is sent
	Retry         time.Duration // least reconnect delay told to clients
	RetryJitter   time.Duration // added to Retry at random, from 0 up to this
	FrameInterval time.Duration // floor between two frames of a live video
	RingComments  int           // recent comments kept by a relay for resumes
	RingBytes     int64         // the same, bounded by bytes
	ReplayLimit   int           // most comments a resume replays before it is a gap
	LagBytes      int64         // a viewer further behind is slow
	LagTime       time.Duration // a viewer longer behind is slow
	SlowViewer    string        // SlowViewerGap or SlowViewerClose
	SendBuffer    int64         // SO_SNDBUF of a stream; 0: the kernel's default
	UserTimeout   time.Duration // TCP_USER_TIMEOUT of a stream; 0: the kernel's default
}

// What becomes of a viewer that falls behind.
const (
	SlowViewerGap   = "gap"
	SlowViewerClose = "close"
)

// Journal bounds the write-ahead journal.
type Journal struct {
	MaxBytes         int64 // posts are refused above this
	SegmentBytes     int64 // size of one file
	FreeReserveBytes int64 // posts are refused when the disk has less free
}

// Store is the embedded history store.
type Store struct {
	CacheBytes int64
}

// Videos are the rooms.
type Videos struct {
	Autocreate     bool          // a live video exists from its first use
	RecentComments int           // kept in memory by the owner
	IdleAfter      time.Duration // an unused live video leaves memory after this
}

// ClickHouse is the history store for viewers and analysts; without a DSN,
// history is in the embedded store alone.
type ClickHouse struct {
	DSN                       string        // clickhouse://host:port[,host:port]/database
	User, Password            string        // in place of the DSN's
	PasswordFile              string        // holds the password
	CAFile, CertFile, KeyFile string        // PEM; any of them turns TLS on
	Cluster                   string        // Replicated and Distributed tables on this cluster
	RetentionDays             int           // 0: for ever
	LocalRetention            time.Duration // how long the embedded store keeps what ClickHouse has
	BatchRows                 int
	BatchDelay                time.Duration
	InsertTimeout             time.Duration
	ReadTimeout               time.Duration
	ConcurrentReads           int
	LagWarning                time.Duration
}

// Default is a Config with every default, without a look at file,
// environment or flags.
func Default() *Config {
	cfg := new(Config)
	for _, s := range settings {
		if err := s.set(cfg, s.Default); err != nil {
			panic("configs: a default in the table is wrong: " + err.Error())
		}
	}
	return cfg
}
