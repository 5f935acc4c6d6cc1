package actors

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func commentsFrom(first, n int) (events []ringEvent) {
	for i := range n {
		events = append(events, ringEvent{id: uint64(first + i), event: []byte("data: x\n\n")})
	}
	return events
}

func TestASampleShowsNoMoreThanItsRateInAnySecond(t *testing.T) {
	for _, rate := range rateClasses {
		random := rand.New(rand.NewPCG(uint64(rate), 1))
		s := newSampler(rate)
		now := time.Unix(1000, 0)
		var shownAt []time.Time
		shown, total := 0, 0
		for range 2000 {
			now = now.Add(time.Duration(random.IntN(40)) * time.Millisecond)
			events := commentsFrom(total+1, random.IntN(1+rate/3))
			for range countComments(s.choose(events, now)) {
				shownAt = append(shownAt, now)
				shown++
			}
			total += len(events)
		}
		for i := rate; i < len(shownAt); i++ {
			if shownAt[i].Sub(shownAt[i-rate]) < time.Second {
				t.Fatalf("rate %d: %d comments within a second", rate, rate+1)
			}
		}
		seconds := now.Sub(time.Unix(1000, 0)).Seconds()
		if possible := min(float64(total), seconds*float64(rate)); float64(shown) < 0.8*possible {
			t.Errorf("rate %d: %d comments of %d shown in %.0f s", rate, shown, total, seconds)
		}
	}
}

func TestASampleIsEven(t *testing.T) {
	chosen := evenly(commentsFrom(1, 100), 10, 100)
	for i := 1; i < len(chosen); i++ {
		if gap := chosen[i].id - chosen[i-1].id; gap < 9 || gap > 11 {
			t.Errorf("%d comments between two that are shown", gap)
		}
	}
	if len(chosen) != 10 {
		t.Errorf("%d comments are shown, not 10", len(chosen))
	}
}

func TestDeletionsAreInEverySample(t *testing.T) {
	events := append(commentsFrom(1, 10), ringEvent{id: 3, deletes: true, event: []byte("d")})
	if chosen := evenly(events, 0, 10); len(chosen) != 1 || !chosen[0].deletes {
		t.Errorf("chosen: %v", chosen)
	}
}

func TestSampledViewersHearWhatIsLeftOut(t *testing.T) {
	n := newTestNode(t, nil)
	for i := range 50 {
		n.post("v", fmt.Sprintf("before %d", i))
	}
	sampled := n.watch("v", ViewerConfig{Rate: 6, History: 20})
	all := n.watch("v", ViewerConfig{})
	if got := sampled.untilHas(t, `event: sampled`+"\n"+`data: {"liveVideoId":"v","shown":5,"total":20}`); len(commentIDs(got)) != 5 {
		t.Errorf("the opening has %d comments of a class of 5", len(commentIDs(got)))
	}
	all.untilHas(t, "event: viewers")
	for i := range 40 {
		n.post("v", fmt.Sprintf("comment %d", i))
	}
	got := sampled.until(t, "second report", func(got string, _ bool) bool { return strings.Count(got, "event: sampled") >= 2 })
	if ids := commentIDs(got); len(ids) > 15 {
		t.Errorf("%d comments were shown within two seconds at 5 a second", len(ids))
	}
	if ids := commentIDs(all.untilHas(t, "comment 39")); len(ids) != 40 {
		t.Errorf("a viewer that wants all got %d of 40", len(ids))
	}
}

var sampledOf = regexp.MustCompile(`event: sampled\ndata: {"liveVideoId":"(\w+)","shown":(\d+),"total":(\d+)}`)

func TestASampleOfSeveralLiveVideosNamesThoseOfWhichSomethingIsLeftOut(t *testing.T) {
	n := newTestNode(t, nil)
	for i := range 30 {
		n.post("a", fmt.Sprintf("a %d", i))
		n.post("b", fmt.Sprintf("b %d", i))
	}
	v := n.watch("", ViewerConfig{Videos: []string{"a", "b", "quiet"}, Rate: 10, History: 40})
	got := v.untilHas(t, "event: viewers")
	if shown := commentIDs(got); len(shown) != 10 {
		t.Errorf("the opening has %d comments of a sample of 10", len(shown))
	}
	shown, total := map[string]int{}, map[string]int{}
	for _, m := range sampledOf.FindAllStringSubmatch(got, -1) {
		shown[m[1]], _ = strconv.Atoi(m[2])
		total[m[1]], _ = strconv.Atoi(m[3])
	}
	if shown["a"]+shown["b"] != 10 || total["a"] != 20 || total["b"] != 20 || len(total) != 2 {
		t.Errorf("shown are %v of %v:\n%s", shown, total, got)
	}
	for i := range 20 {
		n.post("b", fmt.Sprintf("live %d", i))
	}
	got = v.until(t, "a report on what is live", func(got string, _ bool) bool { return strings.Count(got, "event: sampled") > 2 })
	if strings.Count(got, `"liveVideoId":"a","shown"`) > 1 || strings.Contains(got, `"liveVideoId":"quiet","shown"`) {
		t.Errorf("more is said to be left out than is:\n%s", got)
	}
}

func TestRateClassesAreNoMoreThanAskedFor(t *testing.T) {
	for rate := 1; rate <= MaxRate; rate++ {
		if c := rateClass(rate); c > rate || float64(c) < 0.6*float64(rate) {
			t.Errorf("rate %d is served as %d", rate, c)
		}
	}
}
