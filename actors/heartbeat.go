package actors

import (
	"context"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// heartbeats is the one timer behind all heartbeats of a node: a wheel that
// turns once in a heartbeat period, and on which each relay has a place. A
// million idle viewers have no timer.
type heartbeats struct {
	root *actor.RootContext

	mu    sync.Mutex
	slots [heartbeatSlots]map[*actor.PID]struct{}
	of    map[*actor.PID]int
	next  int // the slot whose turn it is
}

// heartbeatSlots is how many turns the relays of a node are spread over. A
// stream's silence is noticed late by at most one turn of the wheel's eighth.
const heartbeatSlots = 8

func newHeartbeats(root *actor.RootContext) *heartbeats {
	h := &heartbeats{root: root, of: map[*actor.PID]int{}}
	for i := range h.slots {
		h.slots[i] = map[*actor.PID]struct{}{}
	}
	return h
}

// add gives a relay the place with the fewest relays.
func (h *heartbeats) add(relay *actor.PID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	least := 0
	for i := range h.slots {
		if len(h.slots[i]) < len(h.slots[least]) {
			least = i
		}
	}
	h.slots[least][relay] = struct{}{}
	h.of[relay] = least
}

func (h *heartbeats) remove(relay *actor.PID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.slots[h.of[relay]], relay)
	delete(h.of, relay)
}

// run turns the wheel until ctx ends.
func (h *heartbeats) run(ctx context.Context, period time.Duration) {
	ticker := time.NewTicker(max(period/heartbeatSlots, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.turn()
		}
	}
}

func (h *heartbeats) turn() {
	h.mu.Lock()
	due := make([]*actor.PID, 0, len(h.slots[h.next]))
	for relay := range h.slots[h.next] {
		due = append(due, relay)
	}
	h.next = (h.next + 1) % heartbeatSlots
	h.mu.Unlock()
	for _, relay := range due {
		h.root.Send(relay, beat{})
	}
}
