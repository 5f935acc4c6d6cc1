package membership

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"
)

// ConsulConfig is how to reach a Consul agent. What is empty is taken from the
// environment, as Consul's own tools do (CONSUL_HTTP_TOKEN and the like).
type ConsulConfig struct {
	Address    string // host:port, or a URL
	Token      string // of the ACL, see the package's documentation
	Datacenter string // the agent's own; empty: that
	CAFile     string // PEM; turns TLS on, as does CertFile
	CertFile   string
	KeyFile    string
}

// Config is what Join needs to know.
type Config struct {
	Consul  ConsulConfig
	Service string // name of the cluster: of its service, and of the folder of its keys
	Node    string // id in the data folder
	Number  int    // that the node had before; -1: none
	Address string // host:port at which the other nodes reach this one
	HTTP    string // host:port at which balancers do; empty: they don't
	Weight  float64
	Version string
	// FailureTimeout is the silence after which Consul takes the node for dead.
	FailureTimeout time.Duration
	Log            *slog.Logger
	// Changed is called with every view that has other members than the one
	// before, and with the first one: one at a time, in order, on a goroutine of
	// its own. It must not wait for Sure or Leave.
	Changed func(*View)
	// Renumbered is called, in one order with Changed, when another node turned
	// out to have the node's number. The number that Join found is in Self.
	Renumbered func(int)

	backend backend           // of tests
	hold    func(stop string) // of tests: halts the process's goroutines
}

// Numbers of nodes are below this: they have ten bits of a comment's id.
const numbers = 1 << 10

func (c Config) validate() error {
	var errs []error
	if c.Service == "" {
		errs = append(errs, errors.New("no service name"))
	}
	if c.Node == "" {
		errs = append(errs, errors.New("no node id"))
	}
	if c.Number < -1 || c.Number >= numbers {
		errs = append(errs, fmt.Errorf("node number %d is not one of 0 to %d", c.Number, numbers-1))
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address for the other nodes: %w", err))
	}
	if c.HTTP != "" {
		if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
			errs = append(errs, fmt.Errorf("HTTP address: %w", err))
		}
	}
	if !goodWeight(c.Weight) {
		errs = append(errs, fmt.Errorf("weight %v is not above 0", c.Weight))
	}
	if c.FailureTimeout < minFailureTimeout {
		errs = append(errs, fmt.Errorf("failure timeout %s is under %s", c.FailureTimeout, minFailureTimeout))
	}
	return errors.Join(errs...)
}

func goodWeight(w float64) bool { return w > 0 && !math.IsInf(w, 0) }

// minFailureTimeout leaves six updates the time that Consul and a busy machine
// may need.
const minFailureTimeout = 500 * time.Millisecond

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func(*View) {}
	}
	if c.Renumbered == nil {
		c.Renumbered = func(int) {}
	}
	if c.hold == nil {
		c.hold = func(string) {}
	}
	return c
}

// The times below are all parts of the failure timeout, so that one setting
// makes the whole quicker or calmer.

// beat is how often the node says that it lives: two may be lost.
func (c Config) beat() time.Duration { return c.FailureTimeout / 6 }

// patience is how long a request may take that others depend on.
func (c Config) patience() time.Duration { return max(c.FailureTimeout/3, 300*time.Millisecond) }

// poll is how long a reading waits for news.
func (c Config) poll() time.Duration { return c.FailureTimeout / 3 }

// stall is how long the process may stand still before others could have
// taken it for dead: the timeout, less what the last update was old.
func (c Config) stall() time.Duration { return c.FailureTimeout * 2 / 3 }

// settling is how long members have, after an absence of Consul's, to update
// their checks. It begins when this node's own updates are taken: an agent that
// starts answers reads before it takes updates. Who makes none, as it isn't a
// member yet, gives the others the time for their own.
func (c Config) settling(member bool) time.Duration {
	if member {
		return c.FailureTimeout / 2
	}
	return c.FailureTimeout + c.patience()
}

// grace is how long a member may be missing without a mark.
func (c Config) grace() time.Duration { return 2 * c.FailureTimeout }

// youth is how long nobody joins a Consul that has just lost its state, so that
// those who were members are heard of first.
func (c Config) youth() time.Duration { return c.FailureTimeout * 2 / 3 }
