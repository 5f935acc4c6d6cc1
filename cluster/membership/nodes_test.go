package membership

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// node is a member with all that it was told.
type node struct {
	*Consul
	t    *testing.T
	link *link

	mu      sync.Mutex
	views   []*View
	numbers []int
	frozen  chan struct{} // closed when the process goes on
}

func (n *node) hold(string) {
	n.mu.Lock()
	frozen := n.frozen
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// freeze stops the process, as far as it can be without a process.
func (n *node) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = make(chan struct{})
}

func (n *node) thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.frozen)
	n.frozen = nil
}

func (n *node) seen() []*View {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.views)
}

func (n *node) renumbered() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.numbers)
}

// locked is a log that several goroutines write.
type locked struct {
	mu sync.Mutex
	strings.Builder
}

func (l *locked) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(text)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.String()
}

func settings(n *node, i int) Config {
	return Config{
		Service: "barrage", Node: "n" + strconv.Itoa(i), Number: -1, Weight: 1, FailureTimeout: failure,
		Address: "127.0.0.1:" + strconv.Itoa(7000+i), HTTP: "127.0.0.1:" + strconv.Itoa(8000+i),
		Changed: func(v *View) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.views = append(n.views, v)
		},
		Renumbered: func(number int) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.numbers = append(n.numbers, number)
		},
	}
}

func join(t *testing.T, f *fake, i int, change ...func(*Config)) *node {
	t.Helper()
	n := &node{t: t, link: &link{fake: f}}
	config := settings(n, i)
	config.backend, config.hold = n.link, n.hold
	if testing.Verbose() {
		config.Log = slog.New(slog.NewTextHandler(t.Output(), nil)).With("n", i)
	}
	for _, f := range change {
		f(&config)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	c, err := Join(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	n.Consul = c
	return n
}

func (n *node) leave() {
	n.t.Helper()
	if err := n.Leave(n.t.Context()); err != nil {
		n.t.Error(err)
	}
}

// who are the members' nodes.
func who(v *View) string {
	var names []string
	for _, m := range v.Members {
		names = append(names, m.Node)
	}
	return strings.Join(names, " ")
}

// ids tells memberships apart.
func ids(v *View) string {
	var all []string
	for _, m := range v.Members {
		all = append(all, m.ID)
	}
	return strings.Join(all, " ")
}

func (n *node) sees(want string) {
	n.t.Helper()
	synctest.Wait()
	if got := who(n.View()); got != want {
		n.t.Errorf("%s sees %q, not %q", n.Self().Node, got, want)
	}
}

// within waits, and fails if something isn't so by then. It answers how long
// that took.
func within(t *testing.T, d time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > d {
			t.Errorf("not within %s: %s", d, what)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// three are the members of a cluster that has settled.
func three(t *testing.T) (*fake, []*node) {
	t.Helper()
	f := newFake(failure)
	all := []*node{join(t, f, 1), join(t, f, 2), join(t, f, 3)}
	time.Sleep(2 * failure)
	for _, n := range all {
		n.sees("n1 n2 n3")
	}
	return f, all
}

func leaveAll(all []*node) {
	for _, n := range all {
		n.leave()
	}
}

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}
