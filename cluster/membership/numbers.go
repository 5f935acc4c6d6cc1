package membership

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	// numberLife is how long a number stays that of a node that isn't seen.
	numberLife = 30 * 24 * time.Hour
	// refreshEvery is how often a node says that it still has its number.
	refreshEvery = 24 * time.Hour
)

// holder is who has a number.
type holder struct {
	Node string `json:"node"`
	Seen int64  `json:"seen"` // Unix time in s
	at   uint64 // index of the key
}

var errNoNumber = fmt.Errorf("all %d numbers of nodes are in use", numbers)

// claim gives the node a number in Consul: the one it had, if that is its own
// or free; else another that is its own; else a free one; else one whose node
// has not been seen for long. Numbers that other members say they have are not
// taken from them: Consul may have lost its state.
func (c *Consul) claim(ctx context.Context, had int, others map[int]bool) (int, error) {
	for range 10 {
		attempt, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
		number, done, err := c.claimOnce(attempt, had, others)
		cancel()
		if err != nil || done {
			return number, err
		}
	}
	return 0, errors.New("other nodes took one number after the other")
}

func (c *Consul) claimOnce(ctx context.Context, had int, others map[int]bool) (number int, done bool, err error) {
	prefix := c.config.Service + "/numbers/"
	pairs, err := c.backend.list(ctx, prefix)
	if err != nil {
		return 0, false, err
	}
	taken := map[int]holder{}
	for _, p := range pairs {
		n, err := strconv.Atoi(p.key)
		if err != nil || n < 0 || n >= numbers || strconv.Itoa(n) != p.key {
			continue
		}
		h := holder{}
		if json.Unmarshal(p.value, &h) != nil {
			h = holder{} // of no node: seen never
		}
		h.at = p.index
		taken[n] = h
	}
	number, ok := choose(c.config.Node, had, taken, others, rand.IntN(numbers), time.Now()) //nolint:gosec // no secret
	if !ok {
		return 0, false, errNoNumber
	}
	text, err := json.Marshal(holder{Node: c.config.Node, Seen: time.Now().Unix()})
	if err != nil {
		return 0, false, err
	}
	done, err = c.backend.put(ctx, prefix+strconv.Itoa(number), text, taken[number].at)
	return number, done, err
}

// choose is which number a node should have, looking for a free one from start.
func choose(node string, had int, taken map[int]holder, others map[int]bool, start int, now time.Time) (int, bool) {
	if h, ok := taken[had]; had >= 0 && (ok && h.Node == node || !ok && !others[had]) {
		return had, true
	}
	for n := range numbers {
		if h, ok := taken[n]; ok && h.Node == node && !others[n] {
			return n, true
		}
	}
	for i := range numbers {
		n := (start + i) % numbers
		if _, ok := taken[n]; !ok && !others[n] {
			return n, true
		}
	}
	best, seen := -1, now.Add(-numberLife).Unix()
	for n := range numbers {
		if h := taken[n]; !others[n] && h.Seen < seen {
			best, seen = n, h.Seen
		}
	}
	return best, best >= 0
}
