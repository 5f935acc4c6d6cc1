package actors

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"barrage/persistence"
)

func TestIDsRiseThroughClockStepsAndOwners(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	a, err := NewIDs(1, 0, clock)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := NewIDs(2, 0, clock)
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[uint64]bool{}
	last := uint64(0)
	for range 20_000 {
		now = now.Add(time.Duration(random.IntN(2000)-1000) * time.Millisecond)
		ids := a
		if random.IntN(2) == 0 {
			ids = b // the live video has moved to the other node
		}
		id := ids.Next(last)
		if id <= last || seen[id] {
			t.Fatalf("id %d after %d", id, last)
		}
		seen[id], last = true, id
		seen[b.Next(0)], seen[a.Next(0)] = true, true // of other live videos
	}
	if got := len(seen); got != 60_000 {
		t.Errorf("%d different ids of 60000", got)
	}
}

func TestIDsGoOnAfterARestartWithTheClockSetBack(t *testing.T) {
	then := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	before, _ := NewIDs(7, 0, func() time.Time { return then })
	highest := before.Next(0)
	after, _ := NewIDs(7, highest, func() time.Time { return then.Add(-time.Hour) })
	if id := after.Next(0); id <= highest {
		t.Errorf("id %d is not above %d", id, highest)
	}
}

func TestIDsTellTheTimeAndFitInASignedNumber(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC)
	ids, _ := NewIDs(MaxNodeNumber, 0, func() time.Time { return at })
	if id := ids.Next(0); !persistence.IDTime(id).Equal(at) || id>>63 != 0 {
		t.Errorf("id %d has the time %v, not %v", id, persistence.IDTime(id), at)
	}
	for _, node := range []int{-1, MaxNodeNumber + 1} {
		if _, err := NewIDs(node, 0, time.Now); err == nil {
			t.Errorf("node number %d was taken", node)
		}
	}
}

func TestIDsAreUniqueAmongGoroutines(t *testing.T) {
	ids, _ := NewIDs(0, 0, time.Now)
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			mine := make([]uint64, 5000)
			for i := range mine {
				mine[i] = ids.Next(0)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range mine {
				seen[id] = true
			}
		})
	}
	wg.Wait()
	if len(seen) != 40_000 {
		t.Errorf("%d different ids of 40000", len(seen))
	}
}

func TestParseIDTakesWhatFormatIDWrites(t *testing.T) {
	for _, good := range []string{"0", "1", "382958283856052224", "9223372036854775807"} {
		if id, err := ParseID(good); err != nil || FormatID(id) != good {
			t.Errorf("ParseID(%q) = %d, %v", good, id, err)
		}
	}
	for _, bad := range []string{"", "-1", "+1", "01", "1.0", "0x1", " 1", "9223372036854775808", "99999999999999999999", "١"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %d", bad, id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0")
	f.Add("382958283856052224")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && FormatID(id) != s {
			t.Errorf("%q is read as %d", s, id)
		}
	})
}
