package replication

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// revokedAt counts how often a peer was sent a revocation of a comment.
func (s *sent) revokedAt(t *testing.T, peer string, id uint64) (n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		for _, bytes := range one.batch.Records {
			r := new(records.Record)
			if err := proto.Unmarshal(bytes, r); err != nil {
				t.Fatal(err)
			}
			if one.peer == peer && Revokes(r) && r.GetCommentDeleted().GetCommentId() == id {
				n++
			}
		}
	}
	return n
}

// lastTo is what a peer was sent last.
func (s *sent) lastTo(peer string) (b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.peer == peer {
			b = one.batch
		}
	}
	return b
}

func TestARefusedRecordIsTakenBackByAllThatItWasSentTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, m, out := single(t, func(c *Config) { c.Others = func(string) []string { return []string{"A", "B", "C"} } })
		j.Members(peers("A", "B", "C"))
		if err := j.Append(comment("v", 1), &teller{t: t, l: m, appended: []uint64{1}}); err != nil {
			t.Fatal(err)
		}
		// A and B have it, and their answers are lost.
		var third Batch
		for range 20 {
			time.Sleep(DefaultAckTimeout / 4)
			synctest.Wait()
			if third = out.lastTo("C"); len(third.Records) > 0 {
				break
			}
		}
		if len(third.Records) != 1 {
			t.Fatalf("sent %+v", out.all)
		}
		j.Acked("C", Ack{Session: third.Session, Durable: 1})
		synctest.Wait()
		m.commit(persistence.ErrUnavailable)
		time.Sleep(DefaultAckTimeout) // peers that are missing are asked so often
		synctest.Wait()
		for _, peer := range []string{"A", "B", "C"} {
			if out.revokedAt(t, peer, 1) == 0 {
				t.Errorf("%s was not told to take it back", peer)
			}
		}
		if s := j.Stats(); s.Revoked != 3 || s.RevocationsLost != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A node that was away is a new member when it comes back, and has what it had.
func TestARefusedRecordIsTakenBackByANodeThatWasAway(t *testing.T) {
	for name, refusedFirst := range map[string]bool{"refused before it went": true, "refused while it was away": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, m, out := single(t, nil)
				j.Members([]Peer{{"A", "node"}, {"B", "other"}})
				if err := j.Append(comment("v", 1), &teller{t: t, l: m, appended: []uint64{1}}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				j.Acked("A", Ack{Session: out.lastTo("A").Session, Durable: 1})
				synctest.Wait()
				refuse := func() {
					m.commit(persistence.ErrUnavailable)
					synctest.Wait()
				}
				if refusedFirst {
					refuse()
				}
				j.Members([]Peer{{"B", "other"}})
				if !refusedFirst {
					refuse()
				}
				out.all = nil
				time.Sleep(time.Minute)
				j.Members([]Peer{{"A again", "node"}, {"B", "other"}})
				synctest.Wait()
				if out.revokedAt(t, "A again", 1) != 1 || len(out.all) != 1 {
					t.Errorf("sent %+v", out.all)
				}
			})
		})
	}
}

func TestWhatIsKeptForANodeThatIsAwayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _, _ := single(t, nil)
		j.Members(peers("B"))
		j.mu.Lock()
		for range maxRevocations + 3 {
			j.takeBack("A", nil)
		}
		j.mu.Unlock()
		if s := j.Stats(); len(j.owed["A"]) != maxRevocations || s.RevocationsLost != 3 {
			t.Errorf("%d are kept, %d lost", len(j.owed["A"]), s.RevocationsLost)
		}
	})
}
