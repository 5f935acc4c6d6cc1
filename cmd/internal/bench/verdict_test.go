package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// scene is a run on paper: n comments, all answered, and viewers that received
// this or that.
type scene struct {
	l         ledger
	tab       *table
	histories []history
}

func newScene(n int) *scene {
	s := &scene{tab: newTable(testTag)}
	for seq := range n {
		s.l.add(int64(seq))
		s.l.posts[seq].sent = int64(100 + seq)
		s.l.answer(seq, testID(seq), int64(200+seq))
	}
	return s
}

// watch adds a viewer that received these texts.
func (s *scene) watch(t testing.TB, h history, c coding, texts ...string) {
	t.Helper()
	v := newTestViewer(c.gzip)
	v.feed(t, s.tab, c.encode(t, texts))
	h.viewer, h.path, h.gaps = len(s.histories), v.s.path, v.gaps
	s.histories = append(s.histories, h)
}

func (s *scene) judge() Verdict { return judgeAll(&s.l, s.tab.frames, s.histories) }

// onlyNumbers is the verdict without its words.
func onlyNumbers(v Verdict) [6]int64 {
	return [6]int64{v.Lost, v.Doubled, v.OutOfOrder, v.Announced, v.Mismatched, v.Faulty}
}

func TestVerdict(t *testing.T) {
	all := []string{testEvents(0), testEvents(1, 2), testEvents(3), testEvents(4), testEvents(5)}
	for _, c := range []struct {
		name  string
		h     history
		texts []string
		// lost, doubled, out of order, announced
		want [4]int64
	}{
		{"everything", history{open: true}, all, [4]int64{}},
		{"framed otherwise", history{open: true}, []string{testEvents(0, 1), testEvents(2, 3, 4), testEvents(5)}, [4]int64{}},
		{"one lost", history{open: true}, []string{testEvents(0), testEvents(1, 2), testEvents(4), testEvents(5)}, [4]int64{1}},
		{"one lost within a frame", history{open: true}, []string{testEvents(0), testEvents(1), testEvents(3, 4, 5)}, [4]int64{1}},
		{"the first lost", history{open: true}, all[1:], [4]int64{1}},
		{"the last lost", history{open: true}, all[:4], [4]int64{1}},
		{"all lost", history{open: true}, []string{"retry: 1\n\n"}, [4]int64{6}},
		{"frame doubled", history{open: true}, slices.Insert(slices.Clone(all), 2, all[1]), [4]int64{0, 2}},
		{"comment doubled within a frame", history{open: true}, []string{testEvents(0), testEvents(1, 2, 2), testEvents(3, 4, 5)}, [4]int64{0, 1}},
		{"doubled much later", history{open: true}, append(slices.Clone(all), testEvents(0)), [4]int64{0, 1}},
		{"out of order", history{open: true}, []string{testEvents(0), testEvents(3), testEvents(1, 2), testEvents(4), testEvents(5)}, [4]int64{0, 0, 2}},
		{"out of order within a frame", history{open: true}, []string{testEvents(0, 2, 1), testEvents(3, 4, 5)}, [4]int64{0, 0, 1}},
		{"gap announced", history{open: true}, []string{testEvents(0), testGap(0, 4), testEvents(4), testEvents(5)}, [4]int64{0, 0, 0, 3}},
		{"gap too narrow", history{open: true}, []string{testEvents(0), testGap(0, 3), testEvents(4), testEvents(5)}, [4]int64{1, 0, 0, 2}},
		{"gap at the end", history{open: true}, append(slices.Clone(all[:2]), testGap(2, 9)), [4]int64{0, 0, 0, 3}},
		{"left early", history{open: false}, all[:2], [4]int64{}},
		{"left early, and lost one before", history{open: false}, []string{all[0], all[2]}, [4]int64{2}},
		{"joined late", history{open: true, joined: 102}, all[2:], [4]int64{}},
		{"joined late, and lost one after", history{open: true, joined: 102}, all[3:], [4]int64{1}},
		{"joined and got some from before", history{open: true, joined: 102}, all[1:], [4]int64{}},
		{"joined after all", history{open: true, joined: 999}, nil, [4]int64{}},
		{"left without anything", history{open: false}, nil, [4]int64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, code := range codings {
				s := newScene(6)
				s.watch(t, history{open: true}, code, all...)
				s.watch(t, c.h, code, c.texts...)
				s.watch(t, history{open: true}, code, all...)
				got := onlyNumbers(s.judge())
				if [4]int64(got[:4]) != c.want {
					t.Errorf("%s: lost, doubled, out of order, announced are %v, want %v", code.name, got[:4], c.want)
				}
			}
		})
	}
}

// What nobody received is lost as well, and so is what the first viewer, whose
// frames the others are compared with, didn't get.
func TestLostForManyViewers(t *testing.T) {
	s := newScene(4)
	for range 3 {
		s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvents(3))
	}
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvents(2), testEvents(3))
	v := s.judge()
	if v.Lost != 3 || v.Faulty != 3 || len(v.Examples) != 3 {
		t.Errorf("verdict %+v, want 3 lost at 3 viewers", v)
	}
}

func TestWhatWasNotAnsweredNeedNotArrive(t *testing.T) {
	s := newScene(4)
	s.l.posts[2] = post{fate: expired, sent: 102}
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvents(2), testEvents(3))
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvents(3))
	if v := s.judge(); !v.ok() {
		t.Errorf("verdict %+v, want a good one", v)
	}
	// But if it arrives, then once.
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvents(2), testEvents(2), testEvents(3))
	if v := s.judge(); v.Doubled != 1 || v.Lost != 0 {
		t.Errorf("verdict %+v, want one doubled", v)
	}
}

// A comment that a retry stored a second time has two ids.
func TestOneCommentUnderTwoIDs(t *testing.T) {
	s := newScene(3)
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1), testEvent(1, 1015), testEvents(2))
	if v := s.judge(); v.Mismatched != 1 || v.Lost+v.Doubled+v.OutOfOrder != 0 {
		t.Errorf("verdict %+v, want one under another id", v)
	}
}

// Comments of others are checked for order and doubles, and nothing else.
func TestCommentsOfOthers(t *testing.T) {
	other := "id: 1005\ndata: {\"id\":\"1005\",\"message\":\"hi\"}\n\n"
	s := newScene(2)
	s.watch(t, history{open: true}, codings[0], testEvents(0), other, testEvents(1))
	s.watch(t, history{open: true}, codings[0], testEvents(0), testEvents(1))
	if v := s.judge(); !v.ok() {
		t.Errorf("verdict %+v, want a good one", v)
	}
	s.watch(t, history{open: true}, codings[0], testEvents(0), other, other, testEvents(1))
	if v := s.judge(); v.Doubled != 1 {
		t.Errorf("verdict %+v, want one doubled", v)
	}
}

// Random streams with random faults are judged as by counting, comment by
// comment and viewer by viewer.
func TestVerdictAgainstCounting(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		const comments = 60
		s := newScene(comments)
		var want Verdict
		for range 12 {
			got := spoil(rng, upTo(comments))
			var texts []string
			for rest := got; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(3))
				texts = append(texts, testEvents(rest[:n]...))
				rest = rest[n:]
			}
			s.watch(t, history{open: true}, codings[rng.IntN(len(codings))], texts...)
			lost, doubled, late := naive(got, comments)
			want.Lost, want.Doubled, want.OutOfOrder = want.Lost+lost, want.Doubled+doubled, want.OutOfOrder+late
			if lost+doubled+late > 0 {
				want.Faulty++
			}
		}
		if got := s.judge(); onlyNumbers(got) != onlyNumbers(want) {
			t.Fatalf("seed %d: verdict %v, by counting %v", seed, onlyNumbers(got), onlyNumbers(want))
		}
	}
}

// spoil drops, doubles and moves a few of the comments, or none.
func spoil(rng *rand.Rand, seqs []int) []int {
	for range rng.IntN(4) {
		i := 1 + rng.IntN(len(seqs)-2)
		switch rng.IntN(3) {
		case 0:
			seqs = slices.Delete(seqs, i, i+1)
		case 1:
			seqs = slices.Insert(seqs, i+rng.IntN(len(seqs)-i), seqs[i])
		default:
			seq := seqs[i]
			seqs = slices.Delete(seqs, i, i+1)
			seqs = slices.Insert(seqs, 1+rng.IntN(len(seqs)-1), seq)
		}
	}
	return seqs
}

// naive counts what is wrong with one viewer's comments.
func naive(got []int, comments int) (lost, doubled, late int64) {
	seen := map[int]bool{}
	top := -1
	for _, seq := range got {
		switch {
		case seen[seq]:
			doubled++
		case seq < top:
			late++
		}
		seen[seq] = true
		top = max(top, seq)
	}
	return int64(comments - len(seen)), doubled, late
}
