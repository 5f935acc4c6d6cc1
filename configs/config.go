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

	Reactions  Reactions
	Moderation Moderation

	ClickHouse ClickHouse
	Cluster    Cluster
}

// HTTP is the edge.
type HTTP struct {
	Addr         string   // host:port; port 0 picks a free one
	CORSOrigins  []string // "*" or scheme://host[:port]; empty: no cross-origin reads
	MaxBodyBytes int64

	TrustedProxies []string // networks and addresses
	ProxyProtocol  bool     // trusted proxies send PROXY headers

	HeaderTimeout, BodyTimeout, IdleTimeout time.Duration

	MaxConnections           int // that are no streams
	MaxConnectionsPerAddress int
}

// Auth says who may do what.
type Auth struct {
	JWTSecret          string // HS256 key; empty: the one kept in the data folder
	Guest              bool   // POST /guest gives out viewer tokens
	RequireTokenToRead bool
	CookieName         string

	JWKSFile    string        // keys of tokens
	JWKSURL     string        // where to fetch them
	JWKSRefresh time.Duration // how often
	Issuer      string        // iss that tokens must have; empty: any
	Audience    []string      // of which their aud must have one; empty: any
	Leeway      time.Duration // by how much clocks may differ

	SessionsFile string // sessions by their tokens

	IntrospectionURL                                         string // RFC 7662; empty: none
	IntrospectionClientID                                    string
	IntrospectionClientSecret, IntrospectionClientSecretFile string
	IntrospectionTimeout                                     time.Duration
	IntrospectionTTL, IntrospectionNegativeTTL               time.Duration // how long answers are remembered

	Recheck time.Duration // how often the token of an open stream is checked again
}

// Limits bound what one user, address or node may ask for.
type Limits struct {
	PostsPerSecond           float64
	PostsBurst               int
	ReactionsPerSecond       float64
	ReactionsBurst           int
	PostsPerSecondPerAddress float64
	PostsPerSecondPerRoom    float64

	ReactionsPerSecondPerAddress, ReactionsPerSecondPerRoom                float64
	ReadsPerSecondPerUser, ReadsPerSecondPerAddress, ReadsPerSecondPerRoom float64
	JoinsPerSecondPerUser, JoinsPerSecondPerAddress, JoinsPerSecondPerRoom float64

	StreamsPerNode    int // 0: RLIMIT_NOFILE less a reserve
	StreamsPerAddress int
	StreamsPerUser    int
	JoinsPerSecond    float64 // of all together
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

// Moderation is what texts are checked for before they are posted. Actions are
// allow, hold, block.
type Moderation struct {
	WordsFile string   // a word a line, with sections [block], [mask], [hold]
	Links     string   // what becomes of comments with more than MaxLinks
	MaxLinks  int      // those to LinkHosts do not count
	LinkHosts []string // and the hosts below them

	WebhookURL                       string
	WebhookSecret, WebhookSecretFile string        // signs requests
	WebhookTimeout                   time.Duration // then WebhookAway holds
	WebhookAway                      string
	WebhookConcurrent                int

	RepeatLimit  int // the same of one user within RepeatWindow; 0: no limit
	RepeatWindow time.Duration
}

// Reactions are what viewers may send besides comments.
type Reactions struct {
	Types []string // 1 to 32 names of 1 to 16 characters
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

// Cluster is the other nodes; without Consul a node is alone.
type Cluster struct {
	Consul         string        // host:port or URL of a Consul agent
	Name           string        // the service in Consul, and where its keys are
	Advertise      string        // host:port at which the other nodes reach this one
	Listen         string        // host:port; empty: Advertise
	AdvertiseHTTP  string        // host:port of the edge for balancers; empty: http.addr
	Weight         float64       // share of the live videos, compared with other nodes'
	Replicas       int           // nodes that have a comment before it is answered
	FailureTimeout time.Duration // silence after which a node counts as dead
	Retry          time.Duration // how long a request waits out a change of owner

	CAFile, CertFile, KeyFile string // PEM; mutual TLS between nodes
	Insecure                  bool   // reachable for others without TLS

	ConsulToken, ConsulTokenFile                string
	ConsulDatacenter                            string
	ConsulCAFile, ConsulCertFile, ConsulKeyFile string // PEM
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
