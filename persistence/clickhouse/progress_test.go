package clickhouse

import (
	"math/rand/v2"
	"testing"
	"time"

	"barrage/persistence"
)

// TestNoIDIsTakenForInsertedThatIsNot has a journal take comments some time
// after their ids were given, in batches that are inserted later, and asks all
// the while below which id nothing is left.
func TestNoIDIsTakenForInsertedThatIsNot(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var p progress
		now := persistence.IDEpoch.Add(1e6 * time.Second)
		var journal []uint64 // ids, by position
		applied := 0
		var inFlight []uint64
		for step := range 3000 {
			now = now.Add(time.Duration(random.IntN(200)) * time.Millisecond)
			if random.IntN(3) == 0 {
				inFlight = append(inFlight, persistence.FirstIDAt(now)+random.Uint64N(1000))
			}
			for i := 0; i < len(inFlight); i++ {
				// In any order, but in time.
				if late := now.Sub(persistence.IDTime(inFlight[i])); random.IntN(4) == 0 || late > settle-300*time.Millisecond {
					journal = append(journal, inFlight[i])
					inFlight = append(inFlight[:i], inFlight[i+1:]...)
					i--
				}
			}
			drained := step > 1500 && step < 1600
			if random.IntN(20) == 0 || drained {
				applied = min(len(journal), applied+random.IntN(60))
			}
			if random.IntN(2) == 0 || drained {
				p.mark(persistence.LSN(applied), mark{persistence.LSN(len(journal)), now})
			}
			below := p.below(persistence.LSN(applied))
			for _, id := range append(journal[applied:len(journal):len(journal)], inFlight...) {
				if id < below {
					t.Fatalf("seed %d: %v is not inserted, but all below %v is said to be", seed, persistence.IDTime(id), persistence.IDTime(below))
				}
			}
			if want := persistence.FirstIDAt(now.Add(-settle)); drained && applied == len(journal) && below != want {
				t.Fatalf("seed %d: nothing is left, and yet only what is below %v is said to be inserted", seed, persistence.IDTime(below))
			}
			if len(p.marks) > mostMarks {
				t.Fatalf("%d marks", len(p.marks))
			}
		}
	}
}

func TestOfAnotherDatabaseNothingIsKnown(t *testing.T) {
	var p progress
	p.begin(persistence.FirstIDAt(time.Now()))
	if below := p.below(0); below == 0 || below > persistence.FirstIDAt(time.Now().Add(-clockMargin)) {
		t.Errorf("after a start: %v", persistence.IDTime(below))
	}
	p.mark(10, mark{10, time.Now()})
	p.begin(0)
	if below := p.below(0); below != 0 {
		t.Errorf("%d", below)
	}
}
