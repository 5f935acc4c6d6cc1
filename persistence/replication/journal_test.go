package replication

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

type sent struct {
	mu  sync.Mutex
	all []send
}

func (s *sent) send(p string, b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, send{p, b})
}

func single(t *testing.T, change func(*Config)) (*Journal, *memJournal, *sent) {
	m, out := newMem(), &sent{}
	cfg := Config{
		Local: m, Origin: "o", Wanted: true, Send: out.send,
		Peer: func(string) string { return "A" },
	}
	if change != nil {
		change(&cfg)
	}
	j, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What waits goes on without a copy.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		ended := make(chan struct{})
		go func() { defer close(ended); _ = j.Close(ctx) }()
		synctest.Wait()
		m.commit(nil)
		<-ended
	})
	return j, m, out
}

func TestASilentPeerIsMissingAfterTheTimeoutAndBackWhenItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, m, out := single(t, nil)
		s := &teller{t: t, l: m, appended: []uint64{1, 2, 3}}
		if err := j.Append(comment("v", 1), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultAckTimeout - time.Millisecond)
		synctest.Wait()
		if len(m.waiting) != 0 || len(j.Stats().Missing) != 0 {
			t.Error("the record did not wait for its peer")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if len(m.waiting) != 1 || len(j.Stats().Missing) != 1 || j.Stats().Alone != 1 {
			t.Errorf("the record still waits: %+v", j.Stats())
		}
		if err := j.Append(comment("v", 2), s); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(m.waiting) != 2 || !j.Stats().UnderReplicated {
			t.Error("a record waits for a peer that is missing, or nobody is told that it has no copy")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		probe := out.all[len(out.all)-1].batch
		if len(probe.Records) != 0 || probe.Seq != 1 {
			t.Errorf("the peer was asked with %+v", probe)
		}
		j.Acked("A", Ack{Session: probe.Session})
		if err := j.Append(comment("v", 3), s); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if last := out.all[len(out.all)-1].batch; len(last.Records) != 1 || len(m.waiting) != 2 || len(j.Stats().Missing) != 0 || j.Stats().UnderReplicated {
			t.Errorf("the peer is not used again: %+v", last)
		}
	})
}

func TestAPeerWhoseJournalIsFullIsMissingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, m, out := single(t, nil)
		s := &teller{t: t, l: m, appended: []uint64{1}}
		if err := j.Append(comment("v", 1), s); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.Acked("A", Ack{Session: out.all[0].batch.Session, Unavailable: true})
		synctest.Wait()
		if len(m.waiting) != 1 {
			t.Error("the record waits for a peer that is full")
		}
	})
}

func TestAFullJournalRefusesBeforeThePeerHasTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _, out := single(t, func(c *Config) { c.Available = func() bool { return false } })
		err := j.Append(comment("v", 1), &teller{t: t})
		synctest.Wait()
		if !errors.Is(err, persistence.ErrUnavailable) || len(out.all) != 0 {
			t.Errorf("answered %v, %d batches were sent", err, len(out.all))
		}
	})
}

func TestWhatWaitsForPeersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, m, out := single(t, nil)
		s := &teller{t: t, l: m}
		big := comment("v", 1)
		big.GetCommentPosted().Comment.Message = strings.Repeat("x", 1<<20)
		n := 0
		for ; n < 100; n++ {
			if err := j.Append(big, s); err != nil {
				if !errors.Is(err, persistence.ErrUnavailable) {
					t.Error(err)
				}
				break
			}
			s.appended = append(s.appended, 1)
		}
		synctest.Wait()
		if n != 63 {
			t.Errorf("%d MiB were taken", n)
		}
		bytes := 0
		for _, b := range out.all {
			for _, r := range b.batch.Records {
				bytes += len(r)
			}
		}
		if bytes > windowBytes+2<<20 {
			t.Errorf("%d bytes are on their way", bytes)
		}
	})
}

func TestAReceiverThatForgotASessionIsSentWhatItDidNotAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, m, out := single(t, nil)
		s := &teller{t: t, l: m, appended: []uint64{1, 2, 3}}
		last := func() Batch { synctest.Wait(); return out.all[len(out.all)-1].batch }
		_ = j.Append(comment("v", 1), s)
		first := last()
		j.Acked("A", Ack{Session: first.Session, Durable: 1})
		_ = j.Append(comment("v", 2), s) // which is lost
		last()
		_ = j.Append(comment("v", 3), s)
		r := NewReceiver(ReceiverConfig{Local: newMem()})
		r.Take("o", last(), func(a Ack) {
			if a.Durable != 0 || a.Next != 1 {
				t.Errorf("a session in the middle was answered with %+v", a)
			}
			j.Acked("A", a)
		})
		again := last()
		if again.Session == first.Session || again.Seq != 1 || len(again.Records) != 2 {
			t.Errorf("went on with %+v", again)
		}
		if len(m.waiting) != 1 {
			t.Error("a record that is lost was taken for acknowledged")
		}
	})
}

func TestStatesOfCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, m := true, newMem()
		r := NewReceiver(ReceiverConfig{Local: m, Alive: func(string) bool { return alive }})
		is := func(session, seq uint64, want State) {
			t.Helper()
			if got := r.State(&records.Copy{Origin: "o", Session: session, Seq: seq}); got != want {
				t.Errorf("record %d of session %d: %v, not %v", seq, session, got, want)
			}
		}
		is(7, 1, Pending) // perhaps its origin is about to say so
		changed := r.Changed()
		r.Archived("o", 7, 5)
		select {
		case <-changed:
		default:
			t.Error("nobody was told of the change")
		}
		is(7, 5, InClickHouse)
		is(7, 6, Pending)
		alive = false
		is(7, 5, InClickHouse)
		is(7, 6, Unknown)
		alive = true
		time.Sleep(DefaultSilence + time.Second)
		is(7, 6, Unknown)
		is(8, 1, Unknown)
		r.Archived("o", 7, 5)
		is(7, 6, Pending)

		bytes, _ := proto.Marshal(comment("v", 1))
		var acks []Ack
		r.Take("o", Batch{Origin: "o", Session: 9, Seq: 1, Records: [][]byte{bytes, bytes}}, func(a Ack) { acks = append(acks, a) })
		m.commit(nil)
		is(9, 2, Pending)
		if c := m.kept[1].GetCopy(); c.GetSeq() != 2 || c.GetOrigin() != "o" || len(acks) != 1 || acks[0].Durable != 2 {
			t.Errorf("copy %v, acks %v", c, acks)
		}
		for i := range uint64(3 * maxSessions) {
			r.Archived("o", 100+i, 1)
		}
		if len(r.sessions) > maxSessions {
			t.Errorf("%d sessions are remembered", len(r.sessions))
		}
	})
}

func TestCheckpointsAreBoundedAndNeverAhead(t *testing.T) {
	s := newSession(1)
	now := time.Now()
	for i := range 3 * maxCheckpoints {
		s.items.push(&item{fated: true, lsn: persistence.LSN(2 * (i + 1))})
		s.acked, s.sent, s.mostSent = s.last(), s.last(), s.last()
		now = now.Add(checkpointEvery)
		s.settle(now)
	}
	if len(s.marks) > maxCheckpoints || s.items.len() != 0 {
		t.Errorf("%d checkpoints, %d items", len(s.marks), s.items.len())
	}
	for upTo := range persistence.LSN(6*maxCheckpoints + 1) {
		s.archive(upTo, now)
		if 2*s.archived > uint64(upTo) {
			t.Fatalf("%d are confirmed at %d", s.archived, upTo)
		}
	}
	if s.archived != s.last() {
		t.Errorf("%d of %d are confirmed in the end", s.archived, s.last())
	}
}

// nowhere keeps nothing, at once.
type nowhere struct{}

func (nowhere) Append(_ *records.Record, s persistence.Sink) error { s.Durable(1, 1, nil); return nil }
func (nowhere) Barrier(context.Context) (persistence.LSN, error)   { return 0, nil }
func (nowhere) Durable(int, persistence.LSN, error)                {}

func BenchmarkAppend(b *testing.B) {
	for name, peer := range map[string]func(string) string{
		"with a peer":   func(string) string { return "A" },
		"without one":   func(string) string { return "" },
		"never has any": nil,
	} {
		b.Run(name, func(b *testing.B) {
			var j *Journal
			acks := make(chan Ack, 1024)
			j, err := New(Config{
				Local: nowhere{}, Origin: "o", Peer: peer,
				Send: func(_ string, s Batch) {
					acks <- Ack{Session: s.Session, Durable: s.Seq + uint64(len(s.Records)) - 1}
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			go func() {
				for a := range acks {
					j.Acked("A", a)
				}
			}()
			r := comment("v", 1)
			b.ReportAllocs()
			for b.Loop() {
				for j.Append(r, nowhere{}) != nil {
					_, _ = j.Barrier(context.Background()) // too much waits
				}
			}
			_ = j.Close(context.Background())
			close(acks)
		})
	}
}
