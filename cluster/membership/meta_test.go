package membership

import (
	"testing"
	"time"
)

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	want := Member{
		ID: "a-1", Node: "a", Name: "node-17", Number: 17, Address: "[::1]:7001", HTTP: "h:1", Weight: 0.25, Version: "v1",
	}
	got, err := instance{id: want.ID, address: want.Address, meta: metaOf(want)}.member()
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzEntriesOfOthers(f *testing.F) {
	f.Add("a-1", "127.0.0.1:1", "a", "node-1", "1", "1", `{"epoch":5}`)
	f.Add("", ":", "", "", "-1", "NaN", `{"epoch":-5}`)
	f.Fuzz(func(t *testing.T, id, address, node, name, number, weight, value string) {
		i := instance{id: id, address: address, meta: map[string]string{
			"node": node, "name": name, "number": number, "weight": weight,
		}}
		m, err := i.member()
		if err == nil && (m.ID == "" || m.Node == "" || m.Number < 0 || m.Number >= numbers || !goodWeight(m.Weight)) {
			t.Errorf("%+v", m)
		}
		memory := memory{warn: func(instance, error) {}, missing: map[string]time.Time{}, unheard: map[string]time.Time{}}
		r := &reading{instances: []instance{i, i}, marks: map[string]time.Time{}}
		v := Config{FailureTimeout: failure}.judge(time.Now(), r, &memory)
		for _, m := range NewView(v.members, 1).Rank(value, 0) {
			_ = m
		}
		if e := readEpoch([]byte(value)); e.Epoch > maxEpoch {
			t.Errorf("%+v", e)
		}
		_ = readMark([]byte(value)).time()
	})
}

func TestRevisionsRiseWithEpochsAndIndexes(t *testing.T) {
	rising := []uint64{
		revision(1, 0), revision(1, 1), revision(1, maxIndex), revision(2, 0),
		revision(nextEpoch(2, firstEpoch.Add(-time.Hour)).Epoch, 5), // a clock that is far behind
		revision(nextEpoch(3, firstEpoch.Add(time.Hour)).Epoch, 5),
		revision(nextEpoch(60, firstEpoch.Add(time.Hour)).Epoch, 5),
		revision(maxEpoch, maxIndex),
	}
	for i := 1; i < len(rising); i++ {
		if rising[i] <= rising[i-1] {
			t.Errorf("%d: %d after %d", i, rising[i], rising[i-1])
		}
	}
	if revision(1, 1<<60) >= revision(2, 0) {
		t.Error("an index ran over into the epoch")
	}
}
