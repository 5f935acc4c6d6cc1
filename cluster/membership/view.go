package membership

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Member is a node as a member. A node that was thought dead comes back under
// a new ID.
type Member struct {
	ID      string  // of this membership: Node, "-", and something new each time
	Node    string  // id kept in the data folder; the same after a restart
	Name    string  // for people: "node-17"
	Number  int     // 0 to 1023, in the ids of the node's comments; unique in the cluster
	Address string  // host:port for the other nodes
	HTTP    string  // host:port of the edge
	Weight  float64 // share of the live videos, in proportion to the others'
	Version string
}

// View is the members at a time. It never changes; a new one replaces it.
type View struct {
	Members  []Member // by Address, then ID
	Revision uint64   // a higher one is newer, in the whole cluster

	seeds []uint64 // of each member, see seed
	even  bool     // all weights are the same
}

// NewView makes a view of members in any order. Views should be made by it:
// one that is put together otherwise ranks its members slowly.
func NewView(members []Member, revision uint64) *View {
	v := &View{Members: slices.Clone(members), Revision: revision, seeds: make([]uint64, len(members)), even: true}
	slices.SortFunc(v.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.ID, b.ID))
	})
	for i, m := range v.Members {
		v.seeds[i] = seed(m)
		v.even = v.even && m.Weight == v.Members[0].Weight
	}
	return v
}

// ready is the view with its seeds.
func (v *View) ready() *View {
	if len(v.seeds) == len(v.Members) {
		return v
	}
	return NewView(v.Members, v.Revision)
}

// seed is what a member's place in all orders depends on: a node that comes
// back under a new ID owns what it owned.
func seed(m Member) uint64 { return xxhash.Sum64String(cmp.Or(m.Node, m.Address)) }

// mix spreads every bit of x over all of them: MurmurHash3's finalizer, with
// the constants of SplitMix64 (Stafford's variant 13).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// place is how a member stands with a key: the higher, the more in front.
type place struct {
	score  float64
	hash   uint64 // decides between equal scores
	member int
}

func (p place) before(q place) bool {
	if p.score != q.score {
		return p.score > q.score
	}
	if p.hash != q.hash {
		return p.hash > q.hash
	}
	return p.member < q.member
}

// place is weighted rendezvous hashing (Schindelhauer and Schomaker, 2005):
// -w/ln(u) of a u in (0, 1) is highest for a member with a probability in
// proportion to its weight. Where weights are even, u's own order is the same.
func (v *View) place(i int, key uint64) place {
	h := mix(key ^ v.seeds[i])
	if v.even {
		return place{hash: h, member: i}
	}
	u := (float64(h>>11) + 0.5) / (1 << 53)
	return place{score: -v.Members[i].Weight / math.Log(u), hash: h, member: i}
}

// Owner is the first in the order of a key; false if there is no member.
func (v *View) Owner(key string) (Member, bool) {
	if len(v.Members) == 0 {
		return Member{}, false
	}
	v = v.ready()
	h := xxhash.Sum64String(key)
	first := v.place(0, h)
	for i := 1; i < len(v.Members); i++ {
		if p := v.place(i, h); p.before(first) {
			first = p
		}
	}
	return v.Members[first.member], true
}

// Rank is the first n members in the order of a key; n <= 0: all. A member
// that goes leaves the order of the others as it was.
func (v *View) Rank(key string, n int) []Member {
	v = v.ready()
	if n <= 0 || n > len(v.Members) {
		n = len(v.Members)
	}
	h := xxhash.Sum64String(key)
	var room [128]place
	places := room[:0]
	for i := range v.Members {
		places = append(places, v.place(i, h))
	}
	ranked := make([]Member, n)
	for i := range ranked {
		first := i
		for j := i + 1; j < len(places); j++ {
			if places[j].before(places[first]) {
				first = j
			}
		}
		places[i], places[first] = places[first], places[i]
		ranked[i] = v.Members[places[i].member]
	}
	return ranked
}

// Find gives the member with an ID.
func (v *View) Find(id string) (Member, bool) {
	for i := range v.Members {
		if v.Members[i].ID == id {
			return v.Members[i], true
		}
	}
	return Member{}, false
}
