package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
	"barrage/test/netns"
	"barrage/test/servers"
)

func TestMain(m *testing.M) { harness.Main(m) }

// Settings of a run, see doc.go.
const (
	envSeed    = "CHAOS_SEED"
	envMinutes = "CHAOS_MINUTES"
	envKeep    = "CHAOS_KEEP"
)

// nodeFlags of all nodes: users may post as fast as the load does, clients come
// back soon, and history is read from ClickHouse rather than from what the
// nodes still have of it.
var nodeFlags = []string{
	"--log-level=info", "--limits-posts-per-second=0", "--limits-reactions-per-second=0", "--stream-retry=100ms", "--stream-retry-jitter=200ms",
	"--stream-heartbeat=2s", "--clickhouse-local-retention=30s",
}

// world is a cluster, who uses it, and what has been seen of it.
type world struct {
	t          *testing.T
	cluster    *harness.Cluster
	clickHouse *servers.ClickHouse // nil: history is in the nodes
	network    *netns.Network      // nil: all is on loopback
	dir        string              // of logs and the report
	seed       uint64
	random     *rand.Rand // of the faults; one goroutine uses it
	users      []user
	moderator  []*harness.Client // at each node

	began time.Time
	mu    sync.Mutex
	lines []string // what was done
	seen  verify.Record
	rooms map[string]bool
	notes []verify.Row   // what the faults found out
	tries map[string]int // of posts that had another, by what was wrong with them
	// The longest pause of a room, by the fault, less the longest stall of the
	// machine meanwhile, and what their bounds are multiplied with.
	pauses map[string]time.Duration
	slack  time.Duration
	calm   time.Duration // after the last fault
	stalls *stalls
}

// user posts, by any node.
type user struct {
	name    string
	clients []*harness.Client // at each node
}

// worldOptions are how worlds differ.
type worldOptions struct {
	network    *netns.Network
	clickHouse bool
	users      int
	slack      time.Duration  // 0: 1
	alone      bool           // one node, without Consul
	binaries   map[int]string // other builds, by the node's index
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{
		t: t, network: o.network, began: time.Now(), seed: uint64(time.Now().UnixNano()) % 1e9,
		rooms: map[string]bool{}, pauses: map[string]time.Duration{}, slack: max(1, o.slack), calm: calm, stalls: watchStalls(t),
	}
	if text := os.Getenv(envSeed); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", envSeed, err)
		}
		w.seed = seed
	}
	w.random = rand.New(rand.NewPCG(w.seed, 0))
	w.keepFolder()
	w.say("%s=%d", envSeed, w.seed)
	if o.clickHouse {
		w.clickHouse = servers.StartClickHouse(t, servers.ClickHouseOptions{})
	}
	if o.alone {
		w.cluster = &harness.Cluster{Nodes: []*harness.Node{
			harness.Start(t, harness.JWTSecret("a-secret-of-the-tests"), harness.Flags(nodeFlags...)),
		}}
	} else {
		w.cluster = harness.StartCluster(t, harness.ClusterOptions{
			ClickHouse: w.clickHouse, Netns: o.network, Flags: nodeFlags, LogDir: w.dir, Binaries: o.binaries,
		})
	}
	for i := range o.users {
		w.users = append(w.users, w.newUser(fmt.Sprint("user", i), "viewer"))
	}
	w.moderator = w.newUser("moderator", "moderator").clients
	w.say("the cluster is there")
	return w
}

// keepFolder makes the folder of logs. It is removed after a success.
func (w *world) keepFolder() {
	w.t.Helper()
	kept := os.Getenv(envKeep)
	if kept == "" {
		dir, err := os.MkdirTemp("", "barrage-chaos-")
		if err != nil {
			w.t.Fatal(err)
		}
		w.dir = dir
	} else {
		w.dir = filepath.Join(kept, w.t.Name())
		// An older run's logs would be mistaken for this one's.
		if err := os.RemoveAll(w.dir); err != nil {
			w.t.Fatal(err)
		}
		if err := os.MkdirAll(w.dir, 0o750); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Cleanup(func() {
		switch {
		case w.t.Failed() || kept != "":
			fmt.Printf("%s: the report and logs are in %s\n", w.t.Name(), w.dir)
		default:
			if err := os.RemoveAll(w.dir); err != nil {
				w.t.Error(err)
			}
		}
	})
}

func (w *world) newUser(name, role string) user {
	u := user{name: name}
	for _, n := range w.cluster.Nodes {
		token := n.SignedToken(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": name, "role": role, "exp": time.Now().Add(24 * time.Hour).Unix(),
		})
		u.clients = append(u.clients, n.Client(token))
	}
	return u
}

// say prints and keeps what is done.
func (w *world) say(format string, args ...any) {
	line := fmt.Sprintf("%s %7.1f s  %s", time.Now().Format("15:04:05.000"), time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
	w.mu.Lock()
	w.lines = append(w.lines, line)
	w.mu.Unlock()
	fmt.Println(line)
}

// note keeps a row of the report.
func (w *world) note(row verify.Row) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, row)
}

// nodeName is what a node is called in reports: the indexes are the tests' own.
func nodeName(i int) string { return fmt.Sprintf("node-%d", i+1) }

// report prints and writes the rows, and fails the test where one isn't met.
func (w *world) report(rows []verify.Row) {
	w.t.Helper()
	table := fmt.Sprintf("%s, %s=%d, %s\n\n%s", w.t.Name(), envSeed, w.seed, time.Since(w.began).Round(time.Second), verify.Table(rows))
	fmt.Println("\n" + table)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.lines {
		table += "\n" + line
	}
	text, err := json.MarshalIndent(map[string]any{
		"test": w.t.Name(), "seed": w.seed, "seconds": time.Since(w.began).Seconds(), "rows": rows, "timeline": w.lines,
	}, "", "  ")
	if err != nil {
		w.t.Fatal(err)
	}
	for name, text := range map[string][]byte{"report.txt": []byte(table + "\n"), "report.json": append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(w.dir, name), text, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if w.cluster.Consul != nil {
		output, err := os.ReadFile(filepath.Join(w.cluster.Consul.Dir, "output.log"))
		if err == nil {
			err = os.WriteFile(filepath.Join(w.dir, "consul.log"), output, 0o600)
		}
		if err != nil {
			w.t.Error(err)
		}
	}
	for _, row := range rows {
		if !row.Met {
			w.t.Errorf("%s: %s, to reach: %s", row.What, row.Figure, row.ToReach)
		}
	}
}
