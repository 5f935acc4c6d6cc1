package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ClickHouseOptions are how a server differs from the usual one.
type ClickHouseOptions struct {
	Dir         string                // its folder; "": one that goes with the test
	MergeTree   map[string]string     // settings of MergeTree tables, e.g. parts_to_throw_insert
	Settings    map[string]string     // settings of the default profile
	ZooKeeper   []string              // host:port of each; none: no replicated tables
	Clusters    map[string][][]string // name -> shards -> host:port of the replicas
	Macros      map[string]string     // for {shard} and {replica} in statements
	ConfigFiles map[string]string     // more XML by name: "config.d/a.xml" or "users.d/a.xml"; without a folder config.d
	TCPPort     int                   // 0: a free one
}

// ClickHouse is a clickhouse-server process and its folder. One goroutine
// starts and ends it; Exec, Rows and Number may be called from any.
type ClickHouse struct {
	Dir string

	addr    string
	program string
	process process
	onDDL   bool  // it takes ON CLUSTER
	logged  int64 // length of its log when it was started

	mu   sync.Mutex
	conn driver.Conn // nil while nobody has asked
}

// NewClickHouse prepares a server without starting it.
func NewClickHouse(t testing.TB, o ClickHouseOptions) *ClickHouse {
	t.Helper()
	c := &ClickHouse{Dir: o.Dir, onDDL: takesOnCluster(&o)}
	needs(t, "clickhouse-server", func() (err error) {
		c.program, err = program("clickhouse-server")
		return err
	})
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	if o.TCPPort == 0 {
		o.TCPPort = ReservedPort(t)
	}
	c.addr = loopback(o.TCPPort)
	interserver := 0
	if len(o.ZooKeeper) > 0 {
		interserver = ReservedPort(t)
	}
	for name, text := range configFiles(c.Dir, &o, interserver) {
		file := filepath.Join(c.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.process = process{
		t: t, name: "clickhouse-server at " + c.addr, output: filepath.Join(c.Dir, "output.log"),
	}
	c.process.logs = []string{c.process.output, filepath.Join(c.Dir, logFile)}
	t.Cleanup(c.cleanUp)
	return c
}

// StartClickHouse starts a server and waits until it answers a query.
func StartClickHouse(t testing.TB, o ClickHouseOptions) *ClickHouse {
	t.Helper()
	c := NewClickHouse(t, o)
	c.Start()
	return c
}

// Start starts the process, whatever way the last one ended, and waits until
// it answers a query.
func (c *ClickHouse) Start() {
	c.process.t.Helper()
	c.Launch()
	c.WaitReady()
}

// Launch starts the process without waiting.
func (c *ClickHouse) Launch() {
	c.process.t.Helper()
	c.logged = 0
	if info, err := os.Stat(filepath.Join(c.Dir, logFile)); err == nil {
		c.logged = info.Size()
	}
	cmd := exec.Command(c.program, "--config-file="+filepath.Join(c.Dir, configFile))
	cmd.Dir = c.Dir
	c.process.launch(cmd)
}

// WaitReady waits until the server answers a query, and one that has clusters
// and ZooKeeper takes ON CLUSTER. Where ZooKeeper can't be reached that would
// be never: Launch, and Ping with Conn.
func (c *ClickHouse) WaitReady() {
	c.process.t.Helper()
	c.process.await(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Conn().Ping(ctx); err != nil {
			return err
		}
		return c.queueSeen()
	})
}

// queueSeen answers an error until the queue of ON CLUSTER statements is read:
// a statement before that crashes an old server.
func (c *ClickHouse) queueSeen() error {
	if !c.onDDL {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, logFile))
	if err != nil {
		return err
	}
	if int64(len(text)) >= c.logged {
		text = text[c.logged:] // otherwise it has begun a new file
	}
	if !bytes.Contains(text, []byte("DDLWorker: Processing tasks")) {
		return errors.New("it doesn't take ON CLUSTER yet")
	}
	return nil
}

// Kill ends the process as a crash would. Its replicated tables are read-only
// for the first ten seconds after it was started again.
func (c *ClickHouse) Kill() {
	c.process.t.Helper()
	c.hangUp()
	c.process.end(syscall.SIGKILL)
}

// Stop ends the process in the orderly way, also one that is paused.
func (c *ClickHouse) Stop() {
	c.process.t.Helper()
	c.hangUp() // it would wait for us
	c.process.end(syscall.SIGTERM, syscall.SIGCONT)
}

// Pause stops the process from doing anything; its connections stay open.
func (c *ClickHouse) Pause() {
	c.process.t.Helper()
	c.process.pause()
}

// Resume ends a pause.
func (c *ClickHouse) Resume() {
	c.process.t.Helper()
	c.process.signal(syscall.SIGCONT)
}

// PID is the process's id.
func (c *ClickHouse) PID() int { return c.process.cmd.Process.Pid }

// Addr is the host:port of the native protocol, the same after a restart.
func (c *ClickHouse) Addr() string { return c.addr }

// DSN is what clickhouse-go calls the address of a database.
func (c *ClickHouse) DSN(database string) string {
	return fmt.Sprintf("clickhouse://default:@%s/%s", c.addr, database)
}

func (c *ClickHouse) cleanUp() {
	c.hangUp()
	c.process.cleanUp()
}
