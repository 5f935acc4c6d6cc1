package configs

import "strings"

// EnvPrefix begins the name of every environment variable that is read.
const EnvPrefix = "BARRAGE_"

// Setting is one line of the table: all that is to be said of a setting.
type Setting struct {
	Key     string   // path in the YAML file, like "stream.heartbeat"
	Flag    string   // name on the command line, without the dashes
	Default string   // as one would write it
	Help    string   // one line, no full stop
	Choices []string // the only values, if they are few
	Basic   bool     // shown in short help
	Secret  bool     // never shown

	min   float64           // least value of a number, size (bytes) or duration (seconds)
	field func(*Config) any // where it goes; the type of the pointer is its kind
}

// Env is the name of the setting's environment variable.
func (s Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Section is the part of the key before its dot, or "" at the top.
func (s Setting) Section() string {
	section, _, found := strings.Cut(s.Key, ".")
	if !found {
		return ""
	}
	return section
}

// Settings answers the table, in the order of the documentation.
func Settings() []Setting {
	return append([]Setting(nil), settings...)
}

func settingOf(key string) (Setting, bool) {
	for _, s := range settings {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}

// mostHistory comments may be asked for when a stream opens, so memory must
// hold them.
const mostHistory = 200

var settings = withFlags([]Setting{
	{
		Key: "data", Default: "./data", Basic: true,
		Help:  "folder that holds everything kept: journal, history and the generated secret",
		field: func(c *Config) any { return &c.Data },
	},
	{
		Key: "log_level", Default: "info", Basic: true, Choices: []string{"debug", "info", "warn", "error"},
		Help:  "least level that is logged",
		field: func(c *Config) any { return &c.LogLevel },
	},
	{
		Key: "log_format", Default: "text", Choices: []string{"text", "json"},
		Help:  "how log lines are written",
		field: func(c *Config) any { return &c.LogFormat },
	},
	{
		Key: "drain_timeout", Default: "10s",
		Help:  "longest time a shutdown may take to end streams and write everything out",
		field: func(c *Config) any { return &c.DrainTimeout },
	},

	{
		Key: "http.addr", Flag: "http", Default: "127.0.0.1:8080", Basic: true,
		Help:  "address to listen on, host:port",
		field: func(c *Config) any { return &c.HTTP.Addr },
	},
	{
		Key: "http.cors_origins", Default: "",
		Help:  "origins whose pages may call this node: a list of scheme://host[:port] as browsers send it, or * for all",
		field: func(c *Config) any { return &c.HTTP.CORSOrigins },
	},
	{
		Key: "http.max_body_bytes", Default: "8KiB", min: 1,
		Help:  "largest request body",
		field: func(c *Config) any { return &c.HTTP.MaxBodyBytes },
	},
	{
		Key: "http.trusted_proxies", Default: "",
		Help:  "networks (like 10.0.0.0/8) and addresses of proxies whose X-Forwarded-For, and PROXY headers, are believed",
		field: func(c *Config) any { return &c.HTTP.TrustedProxies },
	},
	{
		Key: "http.proxy_protocol", Default: "false",
		Help:  "each connection of a trusted proxy begins with a PROXY header, version 1 or 2",
		field: func(c *Config) any { return &c.HTTP.ProxyProtocol },
	},
	{
		Key: "http.header_timeout", Default: "10s", min: 0.1,
		Help:  "longest time from a request's first byte to the end of its headers, and from a new connection to its first byte",
		field: func(c *Config) any { return &c.HTTP.HeaderTimeout },
	},
	{
		Key: "http.body_timeout", Default: "10s", min: 0.1,
		Help:  "longest time from the end of a request's headers to the end of its body",
		field: func(c *Config) any { return &c.HTTP.BodyTimeout },
	},
	{
		Key: "http.idle_timeout", Default: "75s", min: 0.1,
		Help:  "longest time that a connection is kept for a next request",
		field: func(c *Config) any { return &c.HTTP.IdleTimeout },
	},
	{
		Key: "http.max_connections", Default: "8192",
		Help:  "connections open at once, streams not counted; the one that keeps the node waiting longest makes room; 0: no limit but that of files",
		field: func(c *Config) any { return &c.HTTP.MaxConnections },
	},
	{
		Key: "http.max_connections_per_address", Default: "0",
		Help:  "connections open at once from one IP address, streams not counted; more are closed; 0: no limit",
		field: func(c *Config) any { return &c.HTTP.MaxConnectionsPerAddress },
	},

	{
		Key: "auth.jwt_secret", Flag: "jwt-secret", Default: "", Basic: true, Secret: true,
		Help:  "key that signs and checks HS256 tokens; empty: the one kept in the data folder or the cluster, made at first start",
		field: func(c *Config) any { return &c.Auth.JWTSecret },
	},
	{
		Key: "auth.guest", Default: "false", Basic: true,
		Help:  "let anyone get a viewer token by POST /guest with a name",
		field: func(c *Config) any { return &c.Auth.Guest },
	},
	{
		Key: "auth.require_token_to_read", Default: "false",
		Help:  "refuse history and streams to whoever has no token",
		field: func(c *Config) any { return &c.Auth.RequireTokenToRead },
	},
	{
		Key: "auth.cookie_name", Default: "session",
		Help:  "cookie that may carry the token, a JWT or a session token",
		field: func(c *Config) any { return &c.Auth.CookieName },
	},
	{
		Key: "auth.jwks_file", Default: "",
		Help:  "file with the public keys of tokens (RS256, ES256, EdDSA) as a JWKS; read again when it changes",
		field: func(c *Config) any { return &c.Auth.JWKSFile },
	},
	{
		Key: "auth.jwks_url", Default: "",
		Help:  "http(s) address to fetch the public keys of tokens from, as a JWKS",
		field: func(c *Config) any { return &c.Auth.JWKSURL },
	},
	{
		Key: "auth.jwks_refresh", Default: "20s", min: 0.05,
		Help:  "how often auth.jwks_url is fetched; a token that names an unknown key has it fetched at once, every 5s at most",
		field: func(c *Config) any { return &c.Auth.JWKSRefresh },
	},
	{
		Key: "auth.issuer", Default: "",
		Help:  "iss that every token must have; empty: any",
		field: func(c *Config) any { return &c.Auth.Issuer },
	},
	{
		Key: "auth.audience", Default: "",
		Help:  "aud of which every token must have one: a list; empty: any",
		field: func(c *Config) any { return &c.Auth.Audience },
	},
	{
		Key: "auth.leeway", Default: "5s",
		Help:  "by how much the clocks of who makes tokens and of this node may differ",
		field: func(c *Config) any { return &c.Auth.Leeway },
	},
	{
		Key: "auth.sessions_file", Default: "",
		Help:  "file with the users of opaque session tokens, in YAML or JSON; read again when it changes",
		field: func(c *Config) any { return &c.Auth.SessionsFile },
	},
	{
		Key: "auth.introspection_url", Default: "",
		Help:  "http(s) address that says whose opaque session tokens are (RFC 7662)",
		field: func(c *Config) any { return &c.Auth.IntrospectionURL },
	},
	{
		Key: "auth.introspection_client_id", Default: "",
		Help:  "name of this node at auth.introspection_url, for HTTP Basic; empty: none is sent",
		field: func(c *Config) any { return &c.Auth.IntrospectionClientID },
	},
	{
		Key: "auth.introspection_client_secret", Default: "", Secret: true,
		Help:  "password that goes with it; best given by the environment or a file",
		field: func(c *Config) any { return &c.Auth.IntrospectionClientSecret },
	},
	{
		Key: "auth.introspection_client_secret_file", Default: "",
		Help:  "file that holds auth.introspection_client_secret",
		field: func(c *Config) any { return &c.Auth.IntrospectionClientSecretFile },
	},
	{
		Key: "auth.introspection_timeout", Default: "2s", min: 0.001,
		Help:  "longest time that an answer of auth.introspection_url may take",
		field: func(c *Config) any { return &c.Auth.IntrospectionTimeout },
	},
	{
		Key: "auth.introspection_ttl", Default: "15s",
		Help:  "how long it is remembered that a token is good",
		field: func(c *Config) any { return &c.Auth.IntrospectionTTL },
	},
	{
		Key: "auth.introspection_negative_ttl", Default: "5s",
		Help:  "how long it is remembered that a token is no good",
		field: func(c *Config) any { return &c.Auth.IntrospectionNegativeTTL },
	},
	{
		Key: "auth.recheck", Default: "30s", min: 0.05,
		Help:  "how often the token of an open stream is checked again; the stream of one that is no good any more ends",
		field: func(c *Config) any { return &c.Auth.Recheck },
	},

	{
		Key: "limits.posts_per_second", Default: "10",
		Help:  "comments a second of one user; 0: no limit",
		field: func(c *Config) any { return &c.Limits.PostsPerSecond },
	},
	{
		Key: "limits.posts_burst", Default: "30", min: 1,
		Help:  "comments a user may post at once after a pause",
		field: func(c *Config) any { return &c.Limits.PostsBurst },
	},
	{
		Key: "limits.reactions_per_second", Default: "20",
		Help:  "reactions a second of one user; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReactionsPerSecond },
	},
	{
		Key: "limits.reactions_burst", Default: "100", min: 1,
		Help:  "reactions a user may send at once after a pause",
		field: func(c *Config) any { return &c.Limits.ReactionsBurst },
	},
	{
		Key: "limits.posts_per_second_per_address", Default: "0",
		Help:  "comments and new guests a second of one IP address; 0: no limit, as many viewers may share one",
		field: func(c *Config) any { return &c.Limits.PostsPerSecondPerAddress },
	},
	{
		Key: "limits.posts_per_second_per_room", Default: "0",
		Help:  "comments a second to one live video; 0: no limit",
		field: func(c *Config) any { return &c.Limits.PostsPerSecondPerRoom },
	},
	{
		Key: "limits.reactions_per_second_per_address", Default: "0",
		Help:  "reactions a second of one IP address; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReactionsPerSecondPerAddress },
	},
	{
		Key: "limits.reactions_per_second_per_room", Default: "0",
		Help:  "reactions a second to one live video; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReactionsPerSecondPerRoom },
	},
	{
		Key: "limits.reads_per_second_per_user", Default: "0",
		Help:  "pages, comments and states of live videos that one user reads a second; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReadsPerSecondPerUser },
	},
	{
		Key: "limits.reads_per_second_per_address", Default: "0",
		Help:  "the same of one IP address; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReadsPerSecondPerAddress },
	},
	{
		Key: "limits.reads_per_second_per_room", Default: "0",
		Help:  "the same of one live video; 0: no limit",
		field: func(c *Config) any { return &c.Limits.ReadsPerSecondPerRoom },
	},
	{
		Key: "limits.streams_per_node", Default: "0",
		Help:  "streams open at once; 0: as many as the process may open files, less a reserve",
		field: func(c *Config) any { return &c.Limits.StreamsPerNode },
	},
	{
		Key: "limits.streams_per_address", Default: "0",
		Help:  "streams open at once from one IP address; 0: no limit",
		field: func(c *Config) any { return &c.Limits.StreamsPerAddress },
	},
	{
		Key: "limits.streams_per_user", Default: "0",
		Help:  "streams open at once of one user; 0: no limit",
		field: func(c *Config) any { return &c.Limits.StreamsPerUser },
	},
	{
		Key: "limits.joins_per_second", Default: "0",
		Help:  "new streams a second; the rest is told to come back a little later; 0: no limit",
		field: func(c *Config) any { return &c.Limits.JoinsPerSecond },
	},
	{
		Key: "limits.joins_per_second_per_user", Default: "0",
		Help:  "new streams a second of one user; 0: no limit",
		field: func(c *Config) any { return &c.Limits.JoinsPerSecondPerUser },
	},
	{
		Key: "limits.joins_per_second_per_address", Default: "0",
		Help:  "new streams a second of one IP address; 0: no limit",
		field: func(c *Config) any { return &c.Limits.JoinsPerSecondPerAddress },
	},
	{
		Key: "limits.joins_per_second_per_room", Default: "0",
		Help:  "new streams a second of one live video; 0: no limit",
		field: func(c *Config) any { return &c.Limits.JoinsPerSecondPerRoom },
	},

	{
		Key: "stream.heartbeat", Default: "15s", min: 0.01,
		Help:  "silence on a stream after which a comment line keeps it alive",
		field: func(c *Config) any { return &c.Stream.Heartbeat },
	},
	{
		Key: "stream.retry", Default: "2s", min: 0.001,
		Help:  "least time after which a client that lost its stream comes back",
		field: func(c *Config) any { return &c.Stream.Retry },
	},
	{
		Key: "stream.retry_jitter", Default: "2s",
		Help:  "random time added to stream.retry, so that not all clients come back at once",
		field: func(c *Config) any { return &c.Stream.RetryJitter },
	},
	{
		Key: "stream.frame_interval", Default: "10ms",
		Help:  "least time between two frames of a live video; comments in between share one; 0: none",
		field: func(c *Config) any { return &c.Stream.FrameInterval },
	},
	{
		Key: "stream.ring_comments", Default: "2000", min: mostHistory,
		Help:  "recent comments of a live video kept ready for streams that resume",
		field: func(c *Config) any { return &c.Stream.RingComments },
	},
	{
		Key: "stream.ring_bytes", Default: "8MiB", min: 1024,
		Help:  "most bytes those comments may take",
		field: func(c *Config) any { return &c.Stream.RingBytes },
	},
	{
		Key: "stream.replay_limit", Default: "10000", min: 1,
		Help:  "most comments a resumed stream replays; what is older is told by a gap event",
		field: func(c *Config) any { return &c.Stream.ReplayLimit },
	},
	{
		Key: "stream.lag_bytes", Default: "1MiB", min: 1024,
		Help:  "a viewer with more bytes than this waiting has fallen behind",
		field: func(c *Config) any { return &c.Stream.LagBytes },
	},
	{
		Key: "stream.lag_time", Default: "10s", min: 0.01,
		Help:  "a viewer whose oldest waiting frame is older than this has fallen behind",
		field: func(c *Config) any { return &c.Stream.LagTime },
	},
	{
		Key: "stream.slow_viewer", Default: SlowViewerGap, Choices: []string{SlowViewerGap, SlowViewerClose},
		Help:  "what a viewer that fell behind gets: a gap event and the newest, or the end of its stream",
		field: func(c *Config) any { return &c.Stream.SlowViewer },
	},
	{
		Key: "stream.send_buffer", Default: "16KiB",
		Help:  "kernel send buffer of a stream; 0: the system's default",
		field: func(c *Config) any { return &c.Stream.SendBuffer },
	},
	{
		Key: "stream.user_timeout", Default: "30s",
		Help:  "time without acknowledgement after which a connection counts as dead; 0: the system's default",
		field: func(c *Config) any { return &c.Stream.UserTimeout },
	},

	{
		Key: "journal.max_bytes", Default: "10GiB", min: 1 << 20,
		Help:  "most bytes the journal may grow to while the history store is away; posts answer 503 beyond",
		field: func(c *Config) any { return &c.Journal.MaxBytes },
	},
	{
		Key: "journal.segment_bytes", Default: "64MiB", min: 64 << 10,
		Help:  "size of one journal file",
		field: func(c *Config) any { return &c.Journal.SegmentBytes },
	},
	{
		Key: "journal.free_reserve_bytes", Default: "64MiB", min: 1,
		Help:  "posts answer 503 while the disk has less than this free",
		field: func(c *Config) any { return &c.Journal.FreeReserveBytes },
	},

	{
		Key: "store.cache_bytes", Default: "32MiB", min: 1 << 20,
		Help:  "memory for blocks of history",
		field: func(c *Config) any { return &c.Store.CacheBytes },
	},

	{
		Key: "clickhouse.dsn", Flag: "clickhouse", Default: "", Basic: true, Secret: true,
		Help:  "keep history in ClickHouse: clickhouse://host:9000[,host:9000]/database; empty: in the embedded store",
		field: func(c *Config) any { return &c.ClickHouse.DSN },
	},
	{
		Key: "clickhouse.user", Default: "",
		Help:  "ClickHouse user, in place of the DSN's",
		field: func(c *Config) any { return &c.ClickHouse.User },
	},
	{
		Key: "clickhouse.password", Default: "", Secret: true,
		Help:  "ClickHouse password, in place of the DSN's; best given by the environment or a file",
		field: func(c *Config) any { return &c.ClickHouse.Password },
	},
	{
		Key: "clickhouse.password_file", Default: "",
		Help:  "file that holds the ClickHouse password",
		field: func(c *Config) any { return &c.ClickHouse.PasswordFile },
	},
	{
		Key: "clickhouse.ca_file", Default: "",
		Help:  "PEM file of the authority that ClickHouse's certificate is from; turns TLS on",
		field: func(c *Config) any { return &c.ClickHouse.CAFile },
	},
	{
		Key: "clickhouse.cert_file", Default: "",
		Help:  "PEM file of this node's certificate for ClickHouse; turns TLS on",
		field: func(c *Config) any { return &c.ClickHouse.CertFile },
	},
	{
		Key: "clickhouse.key_file", Default: "",
		Help:  "PEM file of that certificate's key",
		field: func(c *Config) any { return &c.ClickHouse.KeyFile },
	},
	{
		Key: "clickhouse.cluster", Default: "",
		Help:  "cluster of ClickHouse's remote_servers to make Replicated and Distributed tables on; empty: one server",
		field: func(c *Config) any { return &c.ClickHouse.Cluster },
	},
	{
		Key: "clickhouse.retention_days", Default: "0",
		Help:  "days after which ClickHouse drops history; 0: never",
		field: func(c *Config) any { return &c.ClickHouse.RetentionDays },
	},
	{
		Key: "clickhouse.local_retention", Default: "1h", min: 1,
		Help:  "how long the embedded store keeps comments that ClickHouse has, so that recent pages need no ClickHouse",
		field: func(c *Config) any { return &c.ClickHouse.LocalRetention },
	},
	{
		Key: "clickhouse.batch_rows", Default: "50000", min: 1,
		Help:  "most records that are inserted together",
		field: func(c *Config) any { return &c.ClickHouse.BatchRows },
	},
	{
		Key: "clickhouse.batch_delay", Default: "1s", min: 0.001,
		Help:  "longest time that a record waits for others to be inserted with",
		field: func(c *Config) any { return &c.ClickHouse.BatchDelay },
	},
	{
		Key: "clickhouse.insert_timeout", Default: "60s", min: 0.1,
		Help:  "time after which an insert without an answer is sent again",
		field: func(c *Config) any { return &c.ClickHouse.InsertTimeout },
	},
	{
		Key: "clickhouse.read_timeout", Default: "3s", min: 0.01,
		Help:  "longest time that a page of history may take",
		field: func(c *Config) any { return &c.ClickHouse.ReadTimeout },
	},
	{
		Key: "clickhouse.concurrent_reads", Default: "4", min: 1,
		Help:  "queries for pages that this node runs at once; others wait, and cost nothing meanwhile",
		field: func(c *Config) any { return &c.ClickHouse.ConcurrentReads },
	},
	{
		Key: "clickhouse.lag_warning", Default: "1m", min: 0.001,
		Help:  "ClickHouse lacking records older than this is warned of in the log and in /readyz",
		field: func(c *Config) any { return &c.ClickHouse.LagWarning },
	},

	{
		Key: "videos.autocreate", Default: "true",
		Help:  "a live video exists from its first use; otherwise an unknown one is 404",
		field: func(c *Config) any { return &c.Videos.Autocreate },
	},
	{
		Key: "videos.recent_comments", Default: "2000", min: mostHistory,
		Help:  "recent comments of a live video that its owner keeps in memory",
		field: func(c *Config) any { return &c.Videos.RecentComments },
	},
	{
		Key: "videos.idle_after", Default: "10m", min: 0.01,
		Help:  "a live video that nobody uses leaves memory after this; one that never was used, after two seconds",
		field: func(c *Config) any { return &c.Videos.IdleAfter },
	},

	{
		Key: "moderation.words_file", Default: "",
		Help:  "list of words to mask, hold or block, a word a line; read again when it changes",
		field: func(c *Config) any { return &c.Moderation.WordsFile },
	},
	{
		Key: "moderation.links", Default: "allow", Choices: []string{"allow", "hold", "block"},
		Help:  "what becomes of a comment with more links than moderation.max_links",
		field: func(c *Config) any { return &c.Moderation.Links },
	},
	{
		Key: "moderation.max_links", Default: "0",
		Help:  "links that a comment may have; those to moderation.link_hosts do not count",
		field: func(c *Config) any { return &c.Moderation.MaxLinks },
	},
	{
		Key: "moderation.link_hosts", Default: "",
		Help:  "hosts to which comments may link, with all hosts below them: a list of names",
		field: func(c *Config) any { return &c.Moderation.LinkHosts },
	},
	{
		Key: "moderation.webhook_url", Default: "",
		Help:  "service that is asked about each comment, and may mask, hold or block it; empty: none",
		field: func(c *Config) any { return &c.Moderation.WebhookURL },
	},
	{
		Key: "moderation.webhook_secret", Default: "", Secret: true,
		Help:  "key that signs requests to the webhook (HMAC-SHA256); best given by the environment or a file",
		field: func(c *Config) any { return &c.Moderation.WebhookSecret },
	},
	{
		Key: "moderation.webhook_secret_file", Default: "",
		Help:  "file that holds the webhook's key",
		field: func(c *Config) any { return &c.Moderation.WebhookSecretFile },
	},
	{
		Key: "moderation.webhook_timeout", Default: "500ms", min: 0.001,
		Help:  "longest wait for the webhook's answer",
		field: func(c *Config) any { return &c.Moderation.WebhookTimeout },
	},
	{
		Key: "moderation.webhook_away", Default: "allow", Choices: []string{"allow", "hold", "block"},
		Help:  "what becomes of comments while the webhook gives no good answer in time",
		field: func(c *Config) any { return &c.Moderation.WebhookAway },
	},
	{
		Key: "moderation.webhook_concurrent", Default: "256", min: 1,
		Help:  "requests to the webhook that are under way at once; comments beyond are treated as moderation.webhook_away says",
		field: func(c *Config) any { return &c.Moderation.WebhookConcurrent },
	},
	{
		Key: "moderation.repeat_limit", Default: "0",
		Help:  "how often a user may say the same in a live video within moderation.repeat_window; 0: as often as they like",
		field: func(c *Config) any { return &c.Moderation.RepeatLimit },
	},
	{
		Key: "moderation.repeat_window", Default: "30s", min: 1,
		Help:  "time in which moderation.repeat_limit counts",
		field: func(c *Config) any { return &c.Moderation.RepeatWindow },
	},

	{
		Key: "reactions.types", Default: "like,love,laugh,wow,sad,clap,fire",
		Help:  "reactions that there are: 1 to 32 names of 1 to 16 characters each",
		field: func(c *Config) any { return &c.Reactions.Types },
	},

	{
		Key: "cluster.consul", Flag: "consul", Default: "", Basic: true,
		Help:  "join the cluster of this Consul agent: host:port, or a URL; empty: a node of its own",
		field: func(c *Config) any { return &c.Cluster.Consul },
	},
	{
		Key: "cluster.advertise", Flag: "advertise", Default: "", Basic: true,
		Help:  "address at which the other nodes reach this one, host:port",
		field: func(c *Config) any { return &c.Cluster.Advertise },
	},
	{
		Key: "cluster.listen", Default: "",
		Help:  "address to listen on for the other nodes, host:port; empty: that of cluster.advertise",
		field: func(c *Config) any { return &c.Cluster.Listen },
	},
	{
		Key: "cluster.advertise_http", Default: "",
		Help:  "address at which balancers reach this node's HTTP, host:port; empty: that of http.addr, with the host of cluster.advertise where that is 0.0.0.0 or ::",
		field: func(c *Config) any { return &c.Cluster.AdvertiseHTTP },
	},
	{
		Key: "cluster.name", Default: "barrage",
		Help:  "name of the cluster: of its service in Consul, and of the folder of its keys there",
		field: func(c *Config) any { return &c.Cluster.Name },
	},
	{
		Key: "cluster.weight", Default: "1", min: 0.01,
		Help:  "share of the live videos that this node owns, in proportion to the weights of the others",
		field: func(c *Config) any { return &c.Cluster.Weight },
	},
	{
		Key: "cluster.replicas", Flag: "replicas", Default: "2", min: 1,
		Help:  "nodes whose journals have a comment before it is answered: 1 or 2",
		field: func(c *Config) any { return &c.Cluster.Replicas },
	},
	{
		Key: "cluster.failure_timeout", Default: "3s", min: 1,
		Help:  "silence after which Consul counts this node as dead, and the others take over its live videos",
		field: func(c *Config) any { return &c.Cluster.FailureTimeout },
	},
	{
		Key: "cluster.retry", Default: "8s", min: 0.1,
		Help:  "how long a request waits for a live video whose owner changes",
		field: func(c *Config) any { return &c.Cluster.Retry },
	},
	{
		Key: "cluster.ca_file", Flag: "cluster-ca", Default: "",
		Help:  "PEM file of the authority that the nodes' certificates are from; read again when it changes",
		field: func(c *Config) any { return &c.Cluster.CAFile },
	},
	{
		Key: "cluster.cert_file", Flag: "cluster-cert", Default: "",
		Help:  "PEM file of this node's certificate for the other nodes; read again when it changes",
		field: func(c *Config) any { return &c.Cluster.CertFile },
	},
	{
		Key: "cluster.key_file", Flag: "cluster-key", Default: "",
		Help:  "PEM file of that certificate's key",
		field: func(c *Config) any { return &c.Cluster.KeyFile },
	},
	{
		Key: "cluster.insecure", Flag: "insecure-cluster", Default: "false",
		Help:  "let nodes speak without TLS on addresses that others can reach; whoever reaches them can stop the cluster",
		field: func(c *Config) any { return &c.Cluster.Insecure },
	},
	{
		Key: "cluster.consul_token", Default: "", Secret: true,
		Help:  "Consul ACL token; best given by the environment or a file",
		field: func(c *Config) any { return &c.Cluster.ConsulToken },
	},
	{
		Key: "cluster.consul_token_file", Default: "",
		Help:  "file that holds the Consul ACL token",
		field: func(c *Config) any { return &c.Cluster.ConsulTokenFile },
	},
	{
		Key: "cluster.consul_datacenter", Default: "",
		Help:  "Consul datacenter; empty: that of the agent",
		field: func(c *Config) any { return &c.Cluster.ConsulDatacenter },
	},
	{
		Key: "cluster.consul_ca_file", Default: "",
		Help:  "PEM file of the authority that Consul's certificate is from; turns TLS on",
		field: func(c *Config) any { return &c.Cluster.ConsulCAFile },
	},
	{
		Key: "cluster.consul_cert_file", Default: "",
		Help:  "PEM file of this node's certificate for Consul; turns TLS on",
		field: func(c *Config) any { return &c.Cluster.ConsulCertFile },
	},
	{
		Key: "cluster.consul_key_file", Default: "",
		Help:  "PEM file of that certificate's key",
		field: func(c *Config) any { return &c.Cluster.ConsulKeyFile },
	},
})

// withFlags names the flags of the settings that have no shorter one.
func withFlags(table []Setting) []Setting {
	for i, s := range table {
		if s.Flag == "" {
			table[i].Flag = strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
		}
	}
	return table
}
