package actors

import (
	"fmt"
	"sync"
	"time"

	"barrage/persistence"
)

// MaxNodeNumber is the highest number that a node can have.
const MaxNodeNumber = 1<<persistence.IDNodeBits - 1

// IDs gives comment ids. They rise with time, and two nodes never give the same
// one, whether or not they can see each other. There is one generator for all
// live videos of a node, so that none is given twice. It may be used from any
// goroutine.
type IDs struct {
	now func() time.Time

	mu   sync.Mutex
	node uint64
	// tick is the highest (millisecond, sequence) given or seen, as one number:
	// millisecond<<IDSequenceBits | sequence. It never goes back, so a clock
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
	clock := uint64(max(0, g.now().Sub(persistence.IDEpoch).Milliseconds())) << persistence.IDSequenceBits
	g.mu.Lock()
	g.tick = max(g.tick+1, clock, tickOf(after)+1)
	id := g.tick<<persistence.IDNodeBits | g.node
	g.mu.Unlock()
	return id
}

// Renumber has the generator go on as that of another node number.
func (g *IDs) Renumber(node int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.node = uint64(node) & MaxNodeNumber
}

// tickOf takes the node's number out of an id.
func tickOf(id uint64) uint64 { return id >> persistence.IDNodeBits }
