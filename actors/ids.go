package actors

import (
	"fmt"
	"sync"
	"time"
)

// A comment id is 63 bits: 41 of milliseconds since idEpoch (until 2093), 12
// of a sequence, 10 of the node's number. Ids rise with time, and two nodes
// never give the same one, whether or not they can see each other.
const (
	idSequenceBits = 12
	idNodeBits     = 10

	// MaxNodeNumber is the highest number that a node can have.
	MaxNodeNumber = 1<<idNodeBits - 1
)

// idEpoch is where the ids' clock starts.
var idEpoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// IDs gives comment ids. There is one for all live videos of a node, so that
// none is given twice. It may be used from any goroutine.
type IDs struct {
	node uint64
	now  func() time.Time

	mu sync.Mutex
	// tick is the highest (millisecond, sequence) given or seen, as one number:
	// millisecond<<idSequenceBits | sequence. It never goes back, so a clock
	// that does only makes ids run ahead of it until it has caught up.
	tick uint64
}

// NewIDs makes the generator of the node with this number. highest is the
// highest id in the node's history: new ones are above it.
func NewIDs(node int, highest uint64, now func() time.Time) (*IDs, error) {
	if node < 0 || node > MaxNodeNumber {
		return nil, fmt.Errorf("node number %d is not between 0 and %d", node, MaxNodeNumber)
	}
	return &IDs{node: uint64(node), now: now, tick: tickOf(highest)}, nil
}

// Next gives an id above the id after, which another node may have given, and
// above all that this node has given.
func (g *IDs) Next(after uint64) uint64 {
	clock := uint64(max(0, g.now().Sub(idEpoch).Milliseconds())) << idSequenceBits
	g.mu.Lock()
	g.tick = max(g.tick+1, clock, tickOf(after)+1)
	tick := g.tick
	g.mu.Unlock()
	return tick<<idNodeBits | g.node
}

// tickOf takes the node's number out of an id.
func tickOf(id uint64) uint64 { return id >> idNodeBits }

// IDTime is the time at which an id was given, to the millisecond.
func IDTime(id uint64) time.Time {
	return idEpoch.Add(time.Duration(id>>(idNodeBits+idSequenceBits)) * time.Millisecond)
}
