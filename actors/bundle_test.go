package actors

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"barrage/actors/wire"
)

func TestPositionsAreReadAsTheyAreWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	for range 1000 {
		positions := make([]uint64, 1+random.IntN(MaxBundle))
		for i := range positions {
			positions[i] = random.Uint64() >> (1 + random.IntN(62))
		}
		id := FormatPositions(positions)
		got, err := ParsePositions(id, len(positions))
		if err != nil || !slices.Equal(got, positions) {
			t.Fatalf("%v is read as %v: %v", positions, got, err)
		}
		if _, err := ParsePositions(id, len(positions)+1); err == nil {
			t.Fatal("an id of fewer live videos was taken")
		}
	}
	const now = 382960000000000000
	if id := FormatPositions([]uint64{now, now - 3<<30, now - 5<<20, now - 7<<32, now - 1<<33}); len(id) > 60 {
		t.Errorf("the id of five busy live videos has %d characters", len(id))
	}
}

func FuzzParsePositions(f *testing.F) {
	f.Add("", 2)
	f.Add(FormatPositions([]uint64{5, 3}), 2)
	f.Add("gICAgICAgICAAQ", 1)
	f.Fuzz(func(t *testing.T, id string, n int) {
		if n < 1 || n > MaxBundle {
			return
		}
		if positions, err := ParsePositions(id, n); err == nil && FormatPositions(positions) != id {
			t.Errorf("%q is read as %v", id, positions)
		}
	})
}

// TestBundlesHaveNoGapAndNoDuplicate is TestStreamsHaveNoGapAndNoDuplicate for
// streams of several live videos.
func TestBundlesHaveNoGapAndNoDuplicate(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.RingComments, c.RecentComments = MaxHistory, MaxHistory })
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	var wg sync.WaitGroup
	for round := range rounds {
		wg.Go(func() { bundleRound(t, n, round) })
		if round%12 == 11 {
			wg.Wait()
		}
	}
	wg.Wait()
}

type bundleStream struct {
	conn  *testConn
	after []uint64
}

func bundleRound(t *testing.T, n *testNode, round int) {
	random := rand.New(rand.NewPCG(uint64(round), 5))
	var videos []string
	for i := range 2 + random.IntN(3) {
		videos = append(videos, fmt.Sprintf("bundle-%d-%d", round, i))
	}
	posted := make([][]uint64, len(videos))
	deleted := map[uint64]bool{}
	post := func() {
		i := random.IntN(len(videos))
		posted[i] = append(posted[i], n.post(videos[i], "x"))
	}
	var streams []*bundleStream
	open := func(after []uint64) {
		c := n.watch("", ViewerConfig{Videos: videos, Resume: true, Positions: after})
		streams = append(streams, &bundleStream{c, after})
	}
	for range random.IntN(900) {
		post()
	}
	for range 60 {
		switch random.IntN(6) {
		case 0: // join somewhere
			after := make([]uint64, len(videos))
			for i := range after {
				if len(posted[i]) > 0 {
					after[i] = posted[i][random.IntN(len(posted[i]))]
				}
			}
			open(after)
		case 1: // resume with what the last event's id says
			if len(streams) == 0 {
				continue
			}
			s := streams[0]
			streams = streams[1:]
			s.conn.viewer.HungUp()
			s.conn.mu.Lock()
			list := events(string(s.conn.bytes))
			s.conn.mu.Unlock()
			after := s.after
			for _, e := range list {
				if e.id != "" {
					var err error
					if after, err = ParsePositions(e.id, len(videos)); err != nil {
						t.Errorf("resume id %q: %v", e.id, err)
						return
					}
				}
			}
			open(after)
		case 2:
			if i := random.IntN(len(videos)); len(posted[i]) > 0 {
				if id := posted[i][random.IntN(len(posted[i]))]; !deleted[id] {
					deleted[id] = true
					n.ask(videos[i], &wire.DeleteComment{CommentId: id, DeletedBy: "u"})
				}
			}
		default:
			post()
		}
	}
	for i := range videos {
		posted[i] = append(posted[i], n.post(videos[i], "the end"))
	}
	for _, s := range streams {
		s.conn.until(t, "all ends", func(got string, _ bool) bool { return strings.Count(got, "the end") == len(videos) })
		s.conn.mu.Lock()
		list := events(string(s.conn.bytes))
		s.conn.mu.Unlock()
		checkBundle(t, videos, posted, deleted, s.after, list)
	}
}

func checkBundle(t *testing.T, videos []string, posted [][]uint64, deleted map[uint64]bool, after []uint64, list []sse) {
	t.Helper()
	last := slices.Clone(after)
	have := map[uint64]bool{}
	for _, e := range list {
		switch e.name {
		case "gap":
			t.Errorf("%s: an unexpected gap %s", videos[0], e.data)
		case "":
			_, rest, _ := strings.Cut(e.data, `"id":"`)
			text, _, _ := strings.Cut(rest, `"`)
			id, _ := strconv.ParseUint(text, 10, 64)
			i := slices.IndexFunc(videos, func(v string) bool { return strings.Contains(e.data, `"liveVideoId":"`+v+`"`) })
			if id <= last[i] {
				t.Errorf("%s: comment %d after %d", videos[i], id, last[i])
			}
			have[id], last[i] = true, id
			if positions, err := ParsePositions(e.id, len(videos)); err != nil || positions[i] != id {
				t.Errorf("%s: comment %d has the resume id %v: %v", videos[i], id, positions, err)
			}
		}
	}
	for i := range videos {
		for _, id := range posted[i] {
			if id > after[i] && !have[id] && !deleted[id] {
				t.Errorf("%s: comment %d is missing behind %d", videos[i], id, after[i])
			}
		}
	}
}
