package membership

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failure is the failure timeout of these tests. Time is that of synctest.
const failure = 3 * time.Second

func TestThreeJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := three(t)
		numbers := map[int]bool{}
		for _, n := range all {
			self := n.Self()
			numbers[self.Number] = true
			if found, ok := n.View().Find(self.ID); !ok || found != self || self.Name != fmt.Sprintf("node-%d", self.Number) {
				t.Errorf("%+v is seen as %+v", self, found)
			}
			if n.View().Revision != all[0].View().Revision {
				t.Errorf("revisions %d and %d", n.View().Revision, all[0].View().Revision)
			}
			if !n.Sure() || !n.Fresh() {
				t.Error("it isn't sure, or not fresh")
			}
		}
		if len(numbers) != 3 {
			t.Errorf("numbers %v", numbers)
		}
		all[1].leave()
		all[0].sees("n1 n3")
		all[2].sees("n1 n3")
		all[1].sees("n1 n3")
		all[0].leave()
		all[2].sees("n3")
		all[2].leave()
		all[2].sees("")
		// Whoever joined, all its views came in order, the last one without itself.
		for _, n := range all {
			views := n.seen()
			for i := range views {
				if i > 0 && (views[i].Revision < views[i-1].Revision || slices.Equal(views[i].Members, views[i-1].Members)) {
					t.Errorf("%s was told of %q at %d after %q at %d", n.Self().Node,
						who(views[i]), views[i].Revision, who(views[i-1]), views[i-1].Revision)
				}
			}
			if views[len(views)-1] != n.View() {
				t.Errorf("%s was not told of its last view", n.Self().Node)
			}
		}
	})
}

func TestAKilledMemberIsGoneWithinTheFailureTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := three(t)
		all[0].freeze() // for good
		took := within(t, failure+50*time.Millisecond, "it is gone", func() bool {
			return who(all[1].View()) == "n2 n3" && who(all[2].View()) == "n2 n3"
		})
		if took < failure*5/6 {
			t.Errorf("after %s already", took)
		}
		if a, b := all[1].View().Revision, all[2].View().Revision; a != b {
			t.Errorf("revisions %d and %d", a, b)
		}
		all[0].thaw()
		time.Sleep(failure)
		leaveAll(all)
	})
}

func TestWhoStoodStillIsNotSureUntilItHasANewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := three(t)
		n := all[0]
		for _, pause := range []time.Duration{5 * time.Second, 30 * time.Second} {
			before := n.Self().ID
			n.freeze()
			time.Sleep(pause)
			if n.Sure() {
				t.Error("the first who asks is told that it is sure")
			}
			n.thaw()
			within(t, time.Second, "it is sure", n.Sure)
			if m, ok := n.View().Find(before); ok {
				t.Errorf("it is sure, and takes %v for a member", m)
			}
			within(t, time.Second, "it is a member", func() bool { return who(n.View()) == "n1 n2 n3" })
			if n.Self().ID == before {
				t.Error("it has no new ID")
			}
			time.Sleep(failure)
			if got := ids(all[1].View()); got != ids(n.View()) || !strings.Contains(got, n.Self().ID) {
				t.Errorf("views %q and %q", got, ids(n.View()))
			}
		}
		if s := n.Stats(); s.Rejoins != 2 || s.Halts != 2 || !s.Sure || !s.Fresh || s.Members != 3 {
			t.Errorf("%+v", s)
		}
		leaveAll(all)
	})
}

func TestWhoStoodStillForAShortWhileStaysAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := three(t)
		n, before := all[0], ids(all[0].View())
		n.freeze()
		time.Sleep(failure * 3 / 4)
		if n.Sure() {
			t.Error("it is sure before it has asked")
		}
		n.thaw()
		within(t, 300*time.Millisecond, "it is sure", n.Sure)
		time.Sleep(2 * failure)
		if got := ids(n.View()); got != before || len(all[1].seen()) > 2 {
			t.Errorf("%q was %q", got, before)
		}
		leaveAll(all)
	})
}

func TestWhoStoodStillWithoutConsulIsSureAfterAWhile(t *testing.T) {
	for _, c := range []struct{ still, doubts time.Duration }{
		{failure * 5 / 6, time.Second}, // the check has not run out because of it
		{5 * time.Second, failure},
	} {
		bubble(t, c.still.String(), func(t *testing.T) {
			f, all := three(t)
			n := all[0]
			f.pause()
			n.freeze()
			time.Sleep(c.still)
			n.thaw()
			time.Sleep(c.doubts - 100*time.Millisecond)
			if n.Sure() {
				t.Error("it is sure before it has tried")
			}
			within(t, 500*time.Millisecond, "it is sure", n.Sure)
			n.sees("n1 n2 n3")
			f.resume()
			time.Sleep(2 * failure)
			leaveAll(all)
		})
	}
}

func TestWhoStoodStillWithoutConsulHasANewIDAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		n, before := all[0], all[0].Self().ID
		f.pause()
		n.freeze()
		time.Sleep(5 * time.Second)
		n.thaw()
		time.Sleep(2 * failure)
		f.resume()
		// Whether the others took it for dead can't be known.
		within(t, failure, "it has a new ID", func() bool { return n.Self().ID != before })
		time.Sleep(failure)
		n.sees("n1 n2 n3")
		leaveAll(all)
	})
}

func TestSureComesAfterChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		other := join(t, f, 1)
		slow := make(chan struct{})
		n := join(t, f, 2, func(c *Config) {
			c.Changed = func(*View) { <-slow }
		})
		for range 1 { // the first view
			slow <- struct{}{}
		}
		n.freeze()
		time.Sleep(5 * time.Second)
		n.thaw()
		time.Sleep(5 * time.Second)
		if n.Sure() {
			t.Error("it is sure although Changed has not returned")
		}
		close(slow)
		synctest.Wait()
		if !n.Sure() {
			t.Error("it isn't sure")
		}
		n.leave()
		other.leave()
	})
}

// unchanged fails if a cluster's members or numbers are not as before.
func unchanged(t *testing.T, all []*node, before string, views int) {
	t.Helper()
	for _, n := range all {
		if got := ids(n.View()); got != before {
			t.Errorf("%s: the members are %q, and were %q", n.Self().Node, got, before)
		}
		if seen := n.seen(); views > 0 && len(seen) > views {
			t.Errorf("%s was told of %d views", n.Self().Node, len(seen)-views)
		}
		if numbers := n.renumbered(); len(numbers) > 0 {
			t.Errorf("%s was renumbered: %v", n.Self().Node, numbers)
		}
	}
}

func TestAnAbsenceOfConsulsChangesNothing(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 2900 * time.Millisecond, 10 * time.Second, 5 * time.Minute} {
		for name, absence := range map[string]func(f *fake){
			"pause":      func(f *fake) { f.pause(); time.Sleep(away); f.resume() },
			"restart":    func(f *fake) { f.setDown(true); time.Sleep(away); f.restart(false) },
			"state lost": func(f *fake) { f.setDown(true); time.Sleep(away); f.restart(true) },
		} {
			bubble(t, fmt.Sprintf("%s of %s", name, away), func(t *testing.T) {
				f, all := three(t)
				before, revision := ids(all[0].View()), all[0].View().Revision
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						select {
						case <-stop:
							return
						case <-time.After(50 * time.Millisecond):
							for _, n := range all {
								if !n.Sure() {
									t.Errorf("%s isn't sure", n.Self().Node)
								}
								if ids(n.View()) != before {
									t.Errorf("%s sees %s", n.Self().Node, who(n.View()))
								}
							}
						}
					}
				}()
				done := make(chan struct{})
				go func() { absence(f); close(done) }()
				if away > 2*failure {
					time.Sleep(failure + failure/2)
					for _, n := range all {
						if n.Fresh() {
							t.Error("it is fresh without Consul")
						}
					}
				}
				<-done
				time.Sleep(5 * failure)
				close(stop)
				<-stopped
				unchanged(t, all, before, 3)
				for _, n := range all {
					if !n.Fresh() {
						t.Error("it isn't fresh")
					}
					if n.View().Revision < revision {
						t.Errorf("revision %d was %d", n.View().Revision, revision)
					}
				}
				// And it works.
				all[0].leave()
				all[1].sees("n2 n3")
				within(t, 10*failure, "both see the same later revision", func() bool {
					got := all[1].View().Revision
					return got > revision && got == all[2].View().Revision
				})
				leaveAll(all[1:])
			})
		}
	}
}

func TestWhoIsCutOffIsTakenForDeadAndComesBackUnderANewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := three(t)
		n, before := all[0], all[0].Self().ID
		n.link.setCut(true)
		within(t, failure+100*time.Millisecond, "it is gone", func() bool { return who(all[1].View()) == "n2 n3" })
		time.Sleep(2 * failure)
		if n.Fresh() || !n.Sure() {
			t.Errorf("fresh %t, sure %t", n.Fresh(), n.Sure())
		}
		n.sees("n1 n2 n3")

		// What a peer tells counts if that has it from Consul, and is newer.
		peer := all[1].View()
		n.Heard(peer, false)
		n.Heard(NewView(peer.Members, n.View().Revision), true)
		n.sees("n1 n2 n3")
		n.Heard(peer, true)
		n.sees("n2 n3")
		if n.Self().ID != before || n.View().Revision != peer.Revision {
			t.Error("it is another one, or the view is")
		}
		all[1].Heard(NewView(nil, peer.Revision+1), true)
		all[1].sees("n2 n3")

		n.link.setCut(false)
		within(t, failure, "it is back", func() bool { return who(n.View()) == "n1 n2 n3" && who(all[2].View()) == "n1 n2 n3" })
		if n.Self().ID == before {
			t.Error("it is back under its old ID")
		}
		leaveAll(all)
	})
}

// A node that the others went on without must not come back under its old ID
// because Consul has forgotten that.
func TestWhatConsulForgotTheMembersKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		n, before := all[0], all[0].Self().ID
		n.link.setCut(true)
		time.Sleep(2 * failure)
		all[1].sees("n2 n3")
		f.setDown(true)
		time.Sleep(time.Second)
		f.restart(true)
		time.Sleep(time.Second)
		n.link.setCut(false)
		time.Sleep(2 * failure)
		for _, m := range all {
			m.sees("n1 n2 n3")
			if _, ok := m.View().Find(before); ok {
				t.Error("it is back under its old ID")
			}
		}
		leaveAll(all)
	})
}

func TestAMissingMemberIsKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		all[0].freeze()
		if err := f.deregister(t.Context(), all[0].Self().ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*failure - 100*time.Millisecond)
		all[1].sees("n1 n2 n3")
		time.Sleep(200 * time.Millisecond)
		all[1].sees("n2 n3")
		all[2].sees("n2 n3")
		all[0].thaw()
		time.Sleep(failure)
		all[2].sees("n1 n2 n3")

		// Who lives registers again, and nobody notices.
		before := ids(all[0].View())
		if err := f.deregister(t.Context(), all[1].Self().ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * failure)
		unchanged(t, all, before, 0)
		leaveAll(all)
	})
}

func TestAClusterThatWasKilledStartsWithoutItsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		for _, n := range all {
			n.freeze()
		}
		time.Sleep(10 * time.Second)
		n := join(t, f, 4)
		n.sees("n4")
		for _, v := range n.seen() {
			if who(v) != "n4" {
				t.Errorf("it was told of %q", who(v))
			}
		}
		for _, n := range all {
			n.stop()
			n.thaw()
			n.end()
		}
		n.leave()
	})
}

func TestARestartedNodeTakesItsPlaceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		old := all[0]
		old.freeze() // killed just now: its check passes yet
		again := join(t, f, 1, func(c *Config) { c.Number = old.Self().Number })
		if again.Self().Number != old.Self().Number || again.Self().ID == old.Self().ID {
			t.Errorf("%+v was %+v", again.Self(), old.Self())
		}
		for _, n := range all[1:] {
			n.sees("n1 n2 n3")
			if _, ok := n.View().Find(old.Self().ID); ok {
				t.Errorf("it sees %s", ids(n.View()))
			}
		}
		// With its data gone, it is another node at the same address.
		again.freeze()
		fresh := join(t, f, 9, func(c *Config) { c.Address = old.Self().Address })
		for _, n := range all[1:] {
			n.sees("n9 n2 n3")
		}
		for _, n := range []*node{old, again} {
			n.stop()
			n.thaw()
			n.end()
		}
		fresh.leave()
		leaveAll(all[1:])
	})
}

func TestTwoNodesWithOneDataFolderAreNotBothMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		first := join(t, f, 1)
		config := settings(first, 1)
		config.Address, config.backend = "127.0.0.1:7999", &link{fake: f}
		log := &locked{}
		config.Log, config.Changed = slog.New(slog.NewTextHandler(log, nil)), nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Join(ctx, config); err == nil {
			t.Error("it joined")
		}
		if !strings.Contains(log.String(), "data folder copied") {
			t.Errorf("it said %s", log.String())
		}
		first.sees("n1")
		if len(first.seen()) != 1 || first.Stats().Rejoins != 0 {
			t.Errorf("the first was disturbed")
		}
		first.leave()
	})
}

func TestEntriesThatMakeNoSenseAreIgnoredWithOneWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		log := &locked{}
		n := join(t, f, 1, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
		good := metaOf(Member{Node: "x", Name: "node-5", Number: 5, Weight: 1})
		bad := []instance{
			{id: "bad-0"},
			{id: "bad-1", address: "127.0.0.1:1", meta: with(good, "number", "1024")},
			{id: "bad-2", address: "127.0.0.1:1", meta: with(good, "weight", "NaN")},
			{id: "bad-3", address: "127.0.0.1:1", meta: with(good, "weight", "-1")},
			{id: "bad-4", address: ":0", meta: good},
			{id: "bad-5", address: "127.0.0.1:1", meta: with(good, "node", "")},
			{id: "bad-6", address: "127.0.0.1:1", meta: good, health: unchecked},
			{id: "bad-7", address: "127.0.0.1:1", meta: with(good, "node", strings.Repeat("x", 1000))},
		}
		f.mu.Lock()
		for _, i := range bad {
			f.add(i)
		}
		f.keys["barrage/cluster/gone/"] = pair{value: []byte("?"), index: f.change()}
		f.keys["barrage/cluster/other"] = pair{value: []byte("?"), index: f.change()}
		f.keys["barrage/numbers/x"] = pair{value: []byte("?"), index: f.change()}
		f.keys["barrage/numbers/3"] = pair{value: []byte("?"), index: f.change()}
		f.mu.Unlock()
		time.Sleep(2 * failure)
		n.sees("n1")
		for _, i := range bad {
			if count := strings.Count(log.String(), "id="+i.id); count != 1 {
				t.Errorf("%s was warned of %d times", i.id, count)
			}
		}
		n.leave()
	})
}

func with(meta map[string]string, key, value string) map[string]string {
	changed := map[string]string{}
	for k, v := range meta {
		changed[k] = v
	}
	changed[key] = value
	return changed
}

func TestAnEpochThatWasSpoiltIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		revision, before := all[0].View().Revision, ids(all[0].View())
		f.mu.Lock()
		f.keys["barrage/cluster/epoch"] = pair{value: []byte("nonsense"), index: f.change()}
		f.mu.Unlock()
		time.Sleep(2 * failure)
		unchanged(t, all, before, 3)
		for _, n := range all {
			if got := n.View().Revision; got <= revision || got != all[0].View().Revision {
				t.Errorf("revision %d after %d", got, revision)
			}
		}
		leaveAll(all)
	})
}

func TestJoinEndsWithItsContextWhileConsulIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(failure)
		f.setDown(true)
		n := &node{t: t, link: &link{fake: f}}
		config := settings(n, 1)
		config.backend = n.link
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := Join(ctx, config); err == nil {
			t.Error("it joined")
		}
		go func() {
			time.Sleep(5 * time.Second)
			f.setDown(false)
		}()
		join(t, f, 1).leave()
	})
}

func TestLeaveWithoutConsulEndsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		f.pause()
		if err := all[0].Leave(t.Context()); err == nil {
			t.Error("it left")
		}
		all[0].sees("n2 n3")
		f.resume()
		within(t, 2*failure, "it is gone", func() bool { return who(all[1].View()) == "n2 n3" })
		leaveAll(all[1:])
	})
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	good := settings(&node{}, 1)
	for what, spoil := range map[string]func(*Config){
		"service": func(c *Config) { c.Service = "" },
		"node":    func(c *Config) { c.Node = "" },
		"number":  func(c *Config) { c.Number = 1024 },
		"address": func(c *Config) { c.Address = "here" },
		"HTTP":    func(c *Config) { c.HTTP = "here" },
		"weight":  func(c *Config) { c.Weight = 0 },
		"timeout": func(c *Config) { c.FailureTimeout = time.Millisecond },
	} {
		c := good
		spoil(&c)
		if _, err := Join(t.Context(), c); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Who notices a halt while Consul is away for all has been left by nobody.
func TestAHaltDuringAnAbsenceOfConsulsIsNotHeldAgainstTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, all := three(t)
		before := ids(all[0].View())
		f.setDown(true)
		time.Sleep(2 * failure)
		all[0].freeze()
		time.Sleep(failure * 5 / 6)
		all[0].thaw()
		within(t, 2*time.Second, "it is sure", all[0].Sure)
		f.mu.Lock()
		for _, i := range f.kept {
			i.health = expired
		}
		f.mu.Unlock()
		f.setDown(false)
		time.Sleep(2 * failure)
		unchanged(t, all, before, 3)
		leaveAll(all)
	})
}
