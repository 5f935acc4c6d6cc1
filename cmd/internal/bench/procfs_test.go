package bench

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const text = "4321 (odd ) (name) S 1 4321 4321 0 -1 4194560 1000 0 0 0 250 50 7 9 20 0 26 0 12345 1900000000 5000 18446744073709551615 1 1 0 0 0 0 0 0 0\n"
	s, err := parseStat(text)
	if err != nil {
		t.Fatal(err)
	}
	if s.cpu != 3*time.Second || s.threads != 26 || s.rss != 5000*int64(os.Getpagesize()) {
		t.Errorf("cpu %v, threads %d, rss %d", s.cpu, s.threads, s.rss)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S " + text[20:30]} {
		if _, err := parseStat(bad); !errors.Is(err, errProc) {
			t.Errorf("parseStat(%q): %v, want errProc", bad, err)
		}
	}
}

func TestSampleProcOfThisProcess(t *testing.T) {
	s, err := sampleProc(newClock(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if s.rss <= 0 || s.threads <= 0 || s.at == 0 {
		t.Errorf("sample %+v", s)
	}
	if _, err := sampleProc(newClock(), 1<<30); err == nil {
		t.Error("a process that can't exist has figures")
	}
}
