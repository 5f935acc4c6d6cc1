package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"barrage/persistence/clickhouse/schema"
)

const (
	// DefaultDatabase is used where the DSN names none.
	DefaultDatabase = "barrage"
	// DefaultReadTimeout is how long a page may take; its reader waits for it.
	DefaultReadTimeout = 3 * time.Second
	// DefaultInsertTimeout is how long a batch may take before it is sent
	// again. A server that is busy with merges may need many seconds.
	DefaultInsertTimeout = 60 * time.Second
	// DefaultConcurrentReads is how many pages are read at once. More would
	// not be faster: the rest waits here, where it costs nothing.
	DefaultConcurrentReads = 4

	defaultDialTimeout = 3 * time.Second
)

// Config says where ClickHouse is. The zero value of each field but DSN means
// its default.
type Config struct {
	// DSN is clickhouse://[user[:password]@]host:port[,host:port…][/database][?secure=true&…],
	// with the parameters of clickhouse-go. The native protocol only.
	DSN string
	// User and Password take the place of the DSN's, so that no secret needs to
	// be in it.
	User, Password string
	// CAFile, CertFile and KeyFile are PEM files for TLS: whom to trust, and
	// who this node is. Any of them turns TLS on.
	CAFile, CertFile, KeyFile string
	// Cluster is the name in ClickHouse's remote_servers of the cluster to
	// spread the tables over; empty: one server.
	Cluster string
	// Retention is how long rows are kept, in whole days; 0: for ever.
	Retention time.Duration

	ReadTimeout     time.Duration
	InsertTimeout   time.Duration
	ConcurrentReads int

	Logger *slog.Logger
	Events Events
}

// Events tells what happens, for metrics. They may run on any goroutine. Any
// may be nil.
type Events struct {
	// Inserted: so many rows of a table were inserted, which took so long.
	Inserted func(table string, rows int, took time.Duration)
	// Read: a query for a page took so long, and failed if err is not nil.
	Read func(took time.Duration, err error)
	// SetAside: so many records were refused by ClickHouse and put into a file.
	SetAside func(records int)
}

func (c Config) withDefaults() Config {
	if c.ReadTimeout == 0 {
		c.ReadTimeout = DefaultReadTimeout
	}
	if c.InsertTimeout == 0 {
		c.InsertTimeout = DefaultInsertTimeout
	}
	if c.ConcurrentReads == 0 {
		c.ConcurrentReads = DefaultConcurrentReads
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Events.Inserted == nil {
		c.Events.Inserted = func(string, int, time.Duration) {}
	}
	if c.Events.Read == nil {
		c.Events.Read = func(time.Duration, error) {}
	}
	if c.Events.SetAside == nil {
		c.Events.SetAside = func(int) {}
	}
	return c
}

// options are clickhouse-go's, of the whole DSN.
func (c Config) options() (*driver.Options, error) {
	o, err := driver.ParseDSN(c.DSN)
	if err != nil {
		// The error may quote the DSN with its password.
		return nil, errors.New("clickhouse: the DSN must be clickhouse://[user[:password]@]host:port[,host:port][/database][?parameters]")
	}
	if o.Protocol != driver.Native {
		return nil, errors.New("clickhouse: the DSN must use the native protocol, clickhouse://")
	}
	for _, addr := range o.Addr {
		if !strings.Contains(addr, ":") {
			return nil, fmt.Errorf("clickhouse: the address %q has no port; ClickHouse's native one is 9000, with TLS 9440", addr)
		}
	}
	if c.User != "" {
		o.Auth.Username = c.User
	}
	if c.Password != "" {
		o.Auth.Password = c.Password
	}
	if o.Auth.Database == "" {
		o.Auth.Database = DefaultDatabase
	}
	if o.DialTimeout == 0 {
		// The handshake minds this alone, and no page's time limit.
		o.DialTimeout = min(defaultDialTimeout, c.ReadTimeout/time.Duration(len(o.Addr)))
	}
	if o.Compression == nil {
		o.Compression = &driver.Compression{Method: driver.CompressionLZ4}
	}
	o.TLS, err = c.tls(o.TLS)
	return o, err
}

func (c Config) tls(t *tls.Config) (*tls.Config, error) {
	if c.CAFile == "" && c.CertFile == "" && c.KeyFile == "" {
		return t, nil
	}
	if t == nil {
		t = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("clickhouse: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("clickhouse: %s holds no certificate", c.CAFile)
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		// Read at each handshake, so that a new certificate needs no restart.
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return nil, fmt.Errorf("clickhouse: %w", err)
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			return &cert, err
		}
	}
	return t, nil
}

func (c Config) schema(database string) schema.Config {
	return schema.Config{Database: database, Cluster: c.Cluster, Retention: c.Retention, Logger: c.Logger}
}
