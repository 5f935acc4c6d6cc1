package httpedge

import (
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// admission bounds the open streams of a node, and of each user and address.
type admission struct {
	maxAll, maxAddress, maxUser int
	joins                       *rate.Limiter // nil: no limit

	mu        sync.Mutex
	open      int
	byAddress map[netip.Addr]int
	byUser    map[string]int
}

func newAdmission(c Config) *admission {
	a := &admission{
		maxAll: c.MaxStreams, maxAddress: c.StreamsPerAddress, maxUser: c.StreamsPerUser,
		byAddress: map[netip.Addr]int{}, byUser: map[string]int{},
	}
	if c.JoinsPerSecond > 0 {
		a.joins = rate.NewLimiter(rate.Limit(c.JoinsPerSecond), max(1, int(c.JoinsPerSecond)))
	}
	return a
}

// refusal is why a stream is not opened now.
type refusal string

const (
	admitted       refusal = ""
	refusedNode    refusal = "node_full"
	refusedAddress refusal = "address_full"
	refusedUser    refusal = "user_full"
	refusedJoins   refusal = "joins"
	refusedRate    refusal = "rate" // of a user, an address or a room
	refusedDrain   refusal = "draining"
	refusedStart   refusal = "starting"
	refusedToken   refusal = "token_unknown" // what knows the token is away
	refusedOwner   refusal = "owner_away"    // who knows whether there is such a live video is
)

var refusals = []refusal{refusedNode, refusedAddress, refusedUser, refusedJoins, refusedRate, refusedDrain, refusedStart, refusedToken, refusedOwner}

// enter admits a stream, or says why not. leave must be called when an
// admitted stream ends.
func (a *admission) enter(c client) (why refusal, leave func()) {
	// Names are only counted where they are limited: most nodes keep no table
	// of a million addresses.
	var address netip.Addr
	if a.maxAddress > 0 {
		address = network(c.address)
	}
	userID := ""
	if a.maxUser > 0 && c.user != nil {
		userID = c.user.id
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.maxAll > 0 && a.open >= a.maxAll:
		return refusedNode, nil
	case address.IsValid() && a.byAddress[address] >= a.maxAddress:
		return refusedAddress, nil
	case userID != "" && a.byUser[userID] >= a.maxUser:
		return refusedUser, nil
	case a.joins != nil && !a.joins.Allow():
		return refusedJoins, nil
	}
	a.open++
	if !address.IsValid() && userID == "" {
		return admitted, a.leaveUnnamed
	}
	if address.IsValid() {
		a.byAddress[address]++
	}
	if userID != "" {
		a.byUser[userID]++
	}
	return admitted, func() { a.leave(address, userID) }
}

func (a *admission) leaveUnnamed() { a.leave(netip.Addr{}, "") }

func (a *admission) leave(address netip.Addr, userID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	countDown(a.byAddress, address)
	countDown(a.byUser, userID)
}

// streams is the number of those that are open, or about to be.
func (a *admission) streams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

// countDown takes one from a count of names that are more than none.
func countDown[K comparable](counts map[K]int, name K) {
	if n, counted := counts[name]; counted {
		if n--; n <= 0 {
			delete(counts, name)
		} else {
			counts[name] = n
		}
	}
}
