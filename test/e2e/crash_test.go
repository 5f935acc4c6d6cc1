package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

const (
	crashRounds      = 20
	crashRoundsShort = 5
)

// crashLoad is what writers were answered, over all rounds.
type crashLoad struct {
	mu       sync.Mutex
	answered map[string][]harness.Comment // by live video, in the order of the answers
	retried  int
}

func (l *crashLoad) note(c harness.Comment, tries int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[c.LiveVideoID] = append(l.answered[c.LiveVideoID], c)
	if tries > 1 {
		l.retried++
	}
}

// write posts until stop is closed. What fails is tried again with the same
// key until it is answered, over the crash, as a good client does.
func (l *crashLoad) write(ctx context.Context, c *harness.Client, video, name string, stop <-chan struct{}) error {
	last := ""
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		text := fmt.Sprintf("%s-%d", name, i)
		for tries := 1; ; tries++ {
			posted, err := c.Post(ctx, video, text, harness.Header("Idempotency-Key", text))
			if err == nil {
				if posted.Message != text || last != "" && !harness.Less(last, posted.ID) {
					return fmt.Errorf("%s was answered with %+v, after id %s", text, posted, last)
				}
				last = posted.ID
				l.note(posted, tries)
				break
			}
			if status := harness.StatusOf(err); status != 0 && status != http.StatusServiceUnavailable {
				return fmt.Errorf("%s: %w", text, err)
			}
			if pause(ctx) != nil {
				return err
			}
		}
	}
}

// TestCrashesLoseAndDoubleNothing kills the process at a random moment of load,
// again and again, and compares what there is with what was answered.
func TestCrashesLoseAndDoubleNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments to kill at, not secrets
	rounds := crashRounds
	if testing.Short() {
		rounds = crashRoundsShort
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	rooms := []string{"a", "b", "c"}
	load := &crashLoad{answered: map[string][]harness.Comment{}}
	followers := map[string][]*harness.Follower{}
	for _, room := range rooms {
		for _, encoding := range []string{"identity", "gzip"} {
			f := n.Anyone().Follow(ctx, room, "", harness.Header("Accept-Encoding", encoding))
			if err := f.Joined(); err != nil {
				t.Fatal(err)
			}
			followers[room] = append(followers[room], f)
		}
	}
	for round := range rounds {
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for w := range 6 {
			writers.Go(func() {
				if err := load.write(ctx, ops, rooms[w%len(rooms)], fmt.Sprintf("r%d-w%d", round, w), stop); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		await(ctx, time.Duration(50+random.IntN(450))*time.Millisecond)
		n.Kill()
		n.Start()
		await(ctx, time.Duration(random.IntN(50))*time.Millisecond)
		close(stop)
		writers.Wait()
		if t.Failed() {
			return
		}
	}
	total := 0
	for _, room := range rooms {
		end := post(t, ops, room, "end")
		load.note(end, 1)
		total += compareWithAnswers(t, room, load.answered[room], history(t, ops, room))
		for i, f := range followers[room] {
			if err := f.Reach(end.ID); err != nil {
				t.Errorf("viewer %d of %s: %v", i, room, err)
			}
			if err := f.Check(); err != nil {
				t.Errorf("viewer %d of %s: %v", i, room, err)
			}
			if got, want := f.Comments(), history(t, ops, room); !slices.Equal(got, want) {
				t.Errorf("viewer %d of %s has %d comments, history %d", i, room, len(got), len(want))
			}
		}
	}
	t.Logf("%d rounds, %d comments answered, %d of them after trying again: 0 lost, 0 doubled unless said above", rounds, total, load.retried)
	if load.retried == 0 {
		t.Error("no post was under way at any crash: the load is too light to show anything")
	}
}

// await lets load go on for a while.
func await(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// compareWithAnswers checks that what was answered is in history once, that
// nothing else is, and answers how many comments that are.
func compareWithAnswers(t *testing.T, room string, answered, kept []harness.Comment) int {
	t.Helper()
	if err := harness.Rising(kept); err != nil {
		t.Errorf("%s: %v", room, err)
	}
	byID, byText := map[string]harness.Comment{}, map[string]int{}
	for _, c := range kept {
		byID[c.ID] = c
		byText[c.Message]++
	}
	lost, doubled := 0, 0
	for _, c := range answered {
		if byID[c.ID] != c {
			lost++
		}
		if byText[c.Message] != 1 {
			doubled++
		}
	}
	if lost+doubled > 0 || len(kept) != len(answered) {
		t.Errorf("%s: %d lost, %d doubled; %d answered, %d kept", room, lost, doubled, len(answered), len(kept))
	}
	return len(answered)
}
