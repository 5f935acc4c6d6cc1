//go:build soak

package soak

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// envScale shrinks the tests.
const envScale = "SOAK_SCALE"

// scale is how large the tests are to be; 1: as documented.
func scale(t testing.TB) float64 {
	t.Helper()
	text := os.Getenv(envScale)
	if text == "" {
		return 1
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s <= 0 || s > 10 {
		t.Fatalf("%s=%q: a number up to 10 is needed", envScale, text)
	}
	return s
}

func scaled(t testing.TB, n int) int { return max(1, int(float64(n)*scale(t))) }

func scaledTime(t testing.TB, d time.Duration) time.Duration {
	return time.Duration(float64(d) * scale(t))
}

// figures are what a test found out, in the order in which it did.
type figures struct {
	t    *testing.T
	mu   sync.Mutex
	rows [][3]string
}

// newFigures prints the table at the end of the test.
func newFigures(t *testing.T) *figures {
	f := &figures{t: t}
	t.Cleanup(func() {
		var table strings.Builder
		fmt.Fprintf(&table, "\n%s, %s=%g\n\n| what | figure | to reach |\n| --- | --- | --- |\n", t.Name(), envScale, scale(t))
		for _, r := range f.rows {
			fmt.Fprintf(&table, "| %s |\n", strings.Join(r[:], " | "))
		}
		fmt.Println(table.String())
	})
	return f
}

// add notes a figure.
func (f *figures) add(name string, value float64, unit string) { f.row(name, value, unit, "") }

// atMost notes a figure, and fails the test if it is above its bound.
func (f *figures) atMost(name string, value float64, unit string, bound float64) {
	f.t.Helper()
	f.row(name, value, unit, "at most "+number(bound)+" "+unit)
	if !(value <= bound) {
		f.t.Errorf("%s: %s %s, to reach: at most %s", name, number(value), unit, number(bound))
	}
}

// atLeast is the other way round.
func (f *figures) atLeast(name string, value float64, unit string, bound float64) {
	f.t.Helper()
	f.row(name, value, unit, "at least "+number(bound)+" "+unit)
	if !(value >= bound) {
		f.t.Errorf("%s: %s %s, to reach: at least %s", name, number(value), unit, number(bound))
	}
}

func (f *figures) row(name string, value float64, unit, bound string) {
	fmt.Printf("figure: %s %s %s\n", name, number(value), unit)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, [3]string{name, number(value) + " " + unit, bound})
}

// number writes a figure with three digits or more, and no exponent.
func number(v float64) string {
	digits := 0
	if a := math.Abs(v); a > 0 && a < 100 {
		digits = min(6, 2-int(math.Floor(math.Log10(a))))
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// latencies are durations of one kind. It may be used from any goroutine.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

// at is a percentile in milliseconds.
func (l *latencies) at(percent float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return math.NaN()
	}
	slices.Sort(l.all)
	rank := int(math.Ceil(percent / 100 * float64(len(l.all))))
	return float64(l.all[min(max(rank, 1), len(l.all))-1]) / float64(time.Millisecond)
}

// report notes the middle and the tail of a kind.
func (f *figures) report(name string, l *latencies) {
	f.add(name+", p50", l.at(50), "ms")
	f.add(name+", p99", l.at(99), "ms")
}
