package membership

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"barrage/test/servers"
)

// realFailure is the failure timeout with a real Consul: others use the
// machine too.
const realFailure = 2 * time.Second

func joinReal(t *testing.T, s *servers.Consul, i int, change ...func(*Config)) *node {
	t.Helper()
	n := &node{t: t}
	config := settings(n, i)
	config.FailureTimeout, config.hold = realFailure, n.hold
	config.Consul = ConsulConfig{Address: s.Addr(), Token: s.Token(), CAFile: s.CAFile()}
	config.Log = newLog(t.Output()).With("n", i)
	for _, f := range change {
		f(&config)
	}
	ctx, cancel := context.WithTimeout(t.Context(), servers.Patience)
	defer cancel()
	c, err := Join(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	n.Consul = c
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = n.Leave(ctx) // Consul may be gone
	})
	return n
}

func (n *node) willSee(want string) time.Duration {
	n.t.Helper()
	return within(n.t, servers.Patience, want+" are members", func() bool { return who(n.View()) == want })
}

func threeReal(t *testing.T, o servers.ConsulOptions, change ...func(*Config)) (*servers.Consul, []*node) {
	t.Helper()
	s := servers.StartConsul(t, o)
	var all []*node
	for i := range 3 {
		all = append(all, joinReal(t, s, i+1, change...))
	}
	for _, n := range all {
		n.willSee("n1 n2 n3")
	}
	time.Sleep(realFailure) // until all have settled
	return s, all
}

// ask is Consul's own answer.
func ask(t *testing.T, s *servers.Consul, path string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", s.Token())
	res, err := s.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestConsulShowsTheMembersAndTheirHTTP(t *testing.T) {
	s, all := threeReal(t, servers.ConsulOptions{})
	var shown []struct {
		Service struct {
			ID, Address string
			Port        int
			Tags        []string
		}
	}
	ask(t, s, "/v1/health/service/barrage?passing", &shown)
	if len(shown) != 3 {
		t.Errorf("%+v", shown)
	}
	within(t, servers.Patience, "the HTTP addresses pass", func() bool {
		ask(t, s, "/v1/health/service/barrage-http?passing", &shown)
		return len(shown) == 3
	})
	for _, i := range shown {
		id := strings.TrimSuffix(i.Service.ID, "-http")
		if m, ok := all[0].View().Find(id); !ok || m.HTTP != fmt.Sprintf("%s:%d", i.Service.Address, i.Service.Port) || i.Service.Tags[0] != m.Name {
			t.Errorf("%+v", i)
		}
	}
	for _, n := range all {
		if n.View().Revision != all[0].View().Revision {
			t.Errorf("revisions %d and %d", n.View().Revision, all[0].View().Revision)
		}
	}
	all[0].freeze()
	within(t, servers.Patience, "its HTTP address is gone with it", func() bool {
		ask(t, s, "/v1/health/service/barrage-http?passing", &shown)
		return len(shown) == 2
	})
	all[0].thaw()
	all[1].willSee("n1 n2 n3")
	all[0].leave()
	ask(t, s, "/v1/health/service/barrage-http", &shown)
	if len(shown) != 2 {
		t.Errorf("%+v", shown)
	}
}

// Others would wait for the posts of its live videos.
func TestWhoCanNotRegisterItsHTTPIsNoMember(t *testing.T) {
	s := servers.StartConsul(t, servers.ConsulOptions{})
	peer := joinReal(t, s, 1)
	peer.willSee("n1")
	log := &locked{}
	config := settings(&node{}, 2)
	config.FailureTimeout, config.Log = realFailure, newLog(log)
	config.Consul = ConsulConfig{Address: s.Addr()}
	config.HTTP = "[::]:8080" // which Consul takes of nobody
	ctx, cancel := context.WithTimeout(t.Context(), 3*realFailure)
	defer cancel()
	if _, err := Join(ctx, config); err == nil || !strings.Contains(log.String(), "Invalid service address") {
		t.Errorf("%v; it said %s", err, log.String())
	}
	if views := peer.seen(); len(views) != 1 {
		t.Errorf("another member saw %d views, and last %s", len(views), who(views[len(views)-1]))
	}
}

func TestLeavingIsSeenAtOnce(t *testing.T) {
	const failure = 5 * time.Second // a busy machine needs a part of the grace below
	_, all := threeReal(t, servers.ConsulOptions{}, func(c *Config) { c.FailureTimeout = failure })
	began := time.Now()
	all[0].leave()
	all[1].willSee("n2 n3")
	all[2].willSee("n2 n3")
	took := time.Since(began)
	t.Logf("after %s", took)
	// Who is gone without having said so is waited for.
	if grace := (Config{FailureTimeout: failure}).grace(); took >= grace {
		t.Errorf("after %s: it was taken for missing", took)
	}
}

func TestAStopIsSeenAndEndsWithANewID(t *testing.T) {
	_, all := threeReal(t, servers.ConsulOptions{})
	n, before := all[0], all[0].Self().ID
	n.freeze()
	t.Logf("gone after %s", all[1].willSee("n2 n3"))
	all[2].willSee("n2 n3")
	if n.Sure() {
		t.Error("it is sure")
	}
	thawed := time.Now()
	n.thaw()
	within(t, servers.Patience, "it is sure", n.Sure)
	if _, ok := n.View().Find(before); ok && n.Stats().LastContact.After(thawed) {
		t.Error("it is sure of being what it was")
	}
	for _, m := range all {
		m.willSee("n1 n2 n3")
	}
	if n.Self().ID == before {
		t.Error("it has no new ID")
	}
}

func TestARealAbsenceOfConsulsChangesNothing(t *testing.T) {
	for name, absence := range map[string]func(s *servers.Consul){
		"restart": func(s *servers.Consul) { s.Kill(); s.Start() },
		"long restart": func(s *servers.Consul) {
			s.Kill()
			time.Sleep(3 * realFailure)
			s.Start()
		},
		"orderly restart": func(s *servers.Consul) { s.Stop(); s.Start() },
		"state lost":      func(s *servers.Consul) { s.Kill(); s.LoseState(); s.Start() },
		"state lost for long": func(s *servers.Consul) {
			s.Stop()
			time.Sleep(3 * realFailure)
			s.LoseState()
			s.Start()
		},
		"pause": func(s *servers.Consul) {
			s.Pause()
			time.Sleep(3 * realFailure)
			s.Resume()
		},
		"short pause": func(s *servers.Consul) {
			s.Pause()
			time.Sleep(realFailure)
			s.Resume()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, all, revision := comesThrough(t, name, absence)
			// A slow Consul may not have forgotten the node when leaving ends:
			// then its check runs out.
			if err := all[0].Leave(t.Context()); err != nil {
				t.Log(err)
			}
			all[1].willSee("n2 n3")
			all[2].willSee("n2 n3")
			within(t, servers.Patience, "both see the same later revision", func() bool {
				got := all[1].View().Revision // there may be several on the way there
				return got > revision && got == all[2].View().Revision
			})
			within(t, servers.Patience, "Consul's own word is the same", func() bool {
				var shown []any
				ask(t, s, "/v1/health/service/barrage?passing", &shown)
				return len(shown) == 2
			})
		})
	}
}

// comesThrough has the members of a new cluster go through an absence, which
// must change nothing. It answers the revision from before that, too.
//
// If the machine stands still, checks run out before the next update: members
// change then, and the absence has nothing to do with it. So that is tried anew,
// but not for ever: Consul's absence is none of the process's.
func comesThrough(t *testing.T, name string, absence func(*servers.Consul)) (*servers.Consul, []*node, uint64) {
	t.Helper()
	for tries := 1; ; tries++ {
		s, all := threeReal(t, servers.ConsulOptions{})
		revision := all[0].View().Revision
		changes := goThrough(s, all, name, absence)
		if len(changes) == 0 {
			return s, all, revision
		}
		time.Sleep(2 * realFailure) // until a halt of this moment is known
		halts := uint64(0)
		for _, n := range all {
			halts += n.Stats().Halts
		}
		if halts == 0 || tries == 5 {
			t.Errorf("%d halts, try %d: %s", halts, tries, strings.Join(changes, "; "))
			return s, all, revision
		}
		t.Logf("%d halts: %s", halts, strings.Join(changes, "; "))
		for _, n := range all {
			_ = n.Leave(t.Context()) // nobody sees it
		}
		s.Stop()
	}
}

// goThrough answers what an absence changed.
func goThrough(s *servers.Consul, all []*node, name string, absence func(*servers.Consul)) []string {
	before, views := ids(all[0].View()), len(all[2].seen())
	var changes []string
	changed := func(format string, args ...any) { changes = append(changes, fmt.Sprintf(format, args...)) }
	stale := make(chan bool)
	go func() {
		found := false
		for ended := time.After(realFailure * 5 / 2); ; {
			select {
			case <-time.After(10 * time.Millisecond):
				found = found || !all[0].Fresh()
			case <-ended:
				stale <- found
				return
			}
		}
	}()
	absence(s)
	if found := <-stale; !found && (strings.Contains(name, "long") || name == "pause") {
		changed("the view was called fresh all the time")
	}
	for _, n := range all {
		within(n.t, servers.Patience, "it is fresh", n.Fresh)
	}
	time.Sleep(4 * realFailure)
	for _, n := range all {
		if got := ids(n.View()); got != before {
			changed("%s: the members are %q, and were %q", n.Self().Node, got, before)
		}
		if numbers := n.renumbered(); len(numbers) > 0 {
			changed("%s was renumbered: %v", n.Self().Node, numbers)
		}
	}
	if got := len(all[2].seen()); got != views {
		changed("%d views and %d before", got, views)
	}
	return changes
}

func TestJoiningWaitsForConsul(t *testing.T) {
	s := servers.NewConsul(t, servers.ConsulOptions{})
	joined := make(chan *node)
	go func() {
		n := &node{t: t}
		config := settings(n, 1)
		config.FailureTimeout, config.Consul.Address = realFailure, s.URL()
		c, err := Join(t.Context(), config)
		if err != nil {
			t.Error(err)
		}
		n.Consul = c
		joined <- n
	}()
	time.Sleep(500 * time.Millisecond)
	s.Start()
	n := <-joined
	n.willSee("n1")
	n.leave()
}

func TestATokenThatMayDoJustWhatIsNeeded(t *testing.T) {
	s := servers.StartConsul(t, servers.ConsulOptions{ACL: true, TLS: true})
	rules := `service_prefix "barrage" { policy = "write" } key_prefix "barrage/" { policy = "write" } node_prefix "" { policy = "read" }`
	send := func(path string, body any) (answer map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+path, strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Consul-Token", s.Token())
		res, err := s.HTTPClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ = io.ReadAll(res.Body)
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s: %s", path, text)
		}
		return answer
	}
	send("/v1/acl/policy", map[string]string{"Name": "barrage", "Rules": rules})
	token := send("/v1/acl/token", map[string]any{"Policies": []map[string]string{{"Name": "barrage"}}})["SecretID"].(string)
	with := func(c *Config) { c.Consul.Token, c.Consul.Datacenter = token, "dc1" }
	a, b := joinReal(t, s, 1, with), joinReal(t, s, 2, with)
	a.willSee("n1 n2")
	b.freeze()
	a.willSee("n1")
	b.thaw()
	a.willSee("n1 n2")
	b.leave()
	a.willSee("n1")
	a.leave()

	// Without one, or without trust, nobody joins, and the log says why.
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no token": {func(c *Config) { c.Consul.Token = "" }, "403"},
		"no trust": {func(c *Config) { c.Consul.CAFile, c.Consul.Address = "", s.URL() }, "certificate"},
	} {
		log := &locked{}
		config := settings(&node{}, 3)
		config.FailureTimeout, config.Log = realFailure, newLog(log)
		config.Consul = ConsulConfig{Address: s.Addr(), Token: token, CAFile: s.CAFile()}
		c.change(&config)
		ctx, cancel := context.WithCancel(t.Context())
		joined := make(chan error, 1)
		go func() {
			_, err := Join(ctx, config)
			joined <- err
		}()
		within(t, servers.Patience, name+": it says why", func() bool { return strings.Contains(log.String(), c.says) })
		cancel()
		if err := <-joined; err == nil {
			t.Errorf("%s: it has joined; it said %s", name, log.String())
		}
	}
}

// report is what the program of the test below says of itself at a moment, on a
// line: Sure, and before that what it is, and since when.
type report struct {
	At      int64 // no later than the rest was found; Unix ns
	Heard   int64 // the last answer of Consul's; Unix ns
	ID      string
	Member  bool // by its view
	Halts   uint64
	Sure    bool
	stopped bool // the program has ended
}

// A process that is stopped by a signal is what freeze only resembles.
func TestAStoppedProcessIsNotSureWhenItGoesOn(t *testing.T) {
	s := servers.StartConsul(t, servers.ConsulOptions{})
	peer := joinReal(t, s, 1)
	reports, signal := startMember(t, s)
	peer.willSee("n1 n2")
	first := (<-reports).At
	until(t, reports, "it has been sure for a while", func(r report) bool {
		return r.Sure && r.Member && time.Duration(r.At-first) > realFailure
	})
	signal(syscall.SIGSTOP)
	peer.willSee("n1")
	// All that peer has ever seen of it has ended.
	ended := map[string]bool{}
	for _, v := range peer.seen() {
		for _, m := range v.Members {
			ended[m.ID] = ended[m.ID] || m.Node == "n2"
		}
	}
	resumed := time.Now().UnixNano()
	signal(syscall.SIGCONT)
	again := until(t, reports, "it is a member again", func(r report) bool {
		// What was found before the stop may come now.
		if r.At < resumed || !r.Sure || !r.Member {
			return false
		}
		if !ended[r.ID] {
			return true
		}
		// A Consul that is too slow to answer can't be waited for.
		if r.Heard > resumed || time.Duration(r.At-resumed) < realFailure {
			t.Errorf("it is sure of its former membership: %+v", r)
		}
		return false
	})
	if again.Halts == 0 {
		t.Error("it has noticed nothing")
	}
	peer.willSee("n1 n2")
}

// startMember starts the program of TestMain. Its reports come as they are
// found, and must be read.
func startMember(t *testing.T, s *servers.Consul) (<-chan report, func(os.Signal)) {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), envMember+"="+s.Addr())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reports, ended := make(chan report), make(chan struct{})
	t.Cleanup(func() {
		close(ended)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	go func() {
		lines := json.NewDecoder(out)
		for {
			var r report
			r.stopped = lines.Decode(&r) != nil
			select {
			case reports <- r:
			case <-ended:
				return
			}
		}
	}()
	return reports, func(signal os.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
}

// until reads reports until one is as wanted, and gives it.
func until(t *testing.T, reports <-chan report, what string, wanted func(report) bool) report {
	t.Helper()
	for deadline := time.After(servers.Patience); ; {
		select {
		case r := <-reports:
			if r.stopped {
				t.Fatal("the process ended")
			}
			if wanted(r) {
				return r
			}
		case <-deadline:
			t.Fatalf("not within %s: %s", servers.Patience, what)
		}
	}
}

// TestMain is the program of the test above, too.
func TestMain(m *testing.M) {
	address := os.Getenv(envMember)
	if address == "" {
		os.Exit(m.Run())
	}
	config := settings(&node{}, 2)
	config.FailureTimeout, config.Consul.Address = realFailure, address
	c, err := Join(context.Background(), config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	for {
		// In this order: what is read before Sure was true at that time.
		r := report{At: time.Now().UnixNano(), ID: c.Self().ID}
		_, r.Member = c.View().Find(r.ID)
		stats := c.Stats()
		r.Heard, r.Halts = stats.LastContact.UnixNano(), stats.Halts
		r.Sure = c.Sure()
		if err := out.Encode(r); err != nil {
			os.Exit(1) // the test has ended
		}
		time.Sleep(time.Millisecond)
	}
}

// envMember has the program be a member, of the Consul at this address.
const envMember = "BARRAGE_TEST_MEMBER"

func TestEverythingEndsWithLeave(t *testing.T) {
	s := servers.StartConsul(t, servers.ConsulOptions{})
	goroutines := func() string {
		var text strings.Builder
		_ = lookupGoroutines(&text)
		return text.String()
	}
	joinReal(t, s, 1).leave()
	within(t, 5*time.Second, "no goroutine is left", func() bool { return !strings.Contains(goroutines(), "membership.(*") })
	if t.Failed() {
		t.Log(goroutines())
	}
}
