package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func clock() time.Time { return now }

// runImport imports a text, as a file or as a stream that can't be sought.
func runImport(t *testing.T, i *Import, text string, asFile bool) error {
	t.Helper()
	i.In, i.Now = iotest.HalfReader(strings.NewReader(text)), clock
	if asFile {
		path := filepath.Join(t.TempDir(), "in.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		i.In = f
	}
	return i.Run(t.Context())
}

func TestABadLineEndsAnImportBehindWhatIsGood(t *testing.T) {
	m := filled(1, 5)
	lines := strings.SplitAfter(exported(t, &Export{Source: m}), "\n")
	for name, bad := range map[string]string{
		"broken": "{\n", "long": strings.Repeat("x", MaxLine+1) + "\n", "very long": strings.Repeat("x", 3*readBytes) + "\n",
		"torn": lines[3][:40],
	} {
		text := lines[0] + "\n \r\n" + lines[1] + bad // blank lines are none
		if name != "torn" {
			text += lines[2] + lines[3]
		}
		t.Run(name, func(t *testing.T) {
			to, state := &memory{}, filepath.Join(t.TempDir(), "state")
			i := &Import{Target: to, State: state}
			err := runImport(t, i, text, false)
			var line *LineError
			if !errors.As(err, &line) || line.Number != 5 {
				t.Fatalf("got %v", err)
			}
			sameComments(t, to, m.comments[:2])

			// The line is mended, and the import goes on from it.
			i = &Import{Target: to, State: state}
			mended := lines[0] + "\n \r\n" + lines[1] + lines[2] + lines[3]
			if err := runImport(t, i, mended, true); err != nil || i.Done.Load() != 4 || i.Resumed != 2 {
				t.Fatalf("%d, %d, %v", i.Done.Load(), i.Resumed, err)
			}
			sameComments(t, to, m.comments[:4])
		})
	}
}

func TestBadLinesCanBePassedOver(t *testing.T) {
	m := filled(1, 3)
	lines := strings.SplitAfter(exported(t, &Export{Source: m}), "\n")
	text := "?\n" + lines[0] + strings.Repeat("x", 3*readBytes) + "\n" + lines[1] + "{}\n" + lines[2] + lines[0][:50]
	to, state := &memory{}, filepath.Join(t.TempDir(), "state")
	var at []int64
	i := &Import{Target: to, State: state, SkipBad: true, OnBad: func(l *LineError) { at = append(at, l.Number) }}
	if err := runImport(t, i, text, false); err != nil {
		t.Fatal(err)
	}
	sameComments(t, to, m.comments)
	if !slices.Equal(at, []int64{1, 3, 5, 7}) || i.Done.Load() != 3 {
		t.Errorf("bad lines %v, %d imported", at, i.Done.Load())
	}
}

// TestAnImportGoesOnAfterAnyWrite fails at each batch in turn, before and after
// it was written, for inputs that end around the edges of what is remembered.
func TestAnImportGoesOnAfterAnyWrite(t *testing.T) {
	const batch, count = 1000, 2*1000 + 17
	m := filled(1, count)
	text := exported(t, &Export{Source: m})
	for _, asFile := range []bool{true, false} {
		for failAt := 1; failAt <= 3; failAt++ {
			t.Run(fmt.Sprint(asFile, failAt), func(t *testing.T) {
				to, state := &memory{failAt: failAt}, filepath.Join(t.TempDir(), "state")
				if err := runImport(t, &Import{Target: to, State: state, batch: batch}, text, asFile); !errors.Is(err, errMemory) {
					t.Fatalf("got %v", err)
				}
				to.failAt, to.writes = 0, 0
				i := &Import{Target: to, State: state, batch: batch}
				if err := runImport(t, i, text, asFile); err != nil {
					t.Fatal(err)
				}
				sameComments(t, to, m.comments)
				if to.writes != 4-failAt || i.Done.Load() != count || i.Resumed != int64(failAt-1)*batch {
					t.Errorf("%d writes, %d done, %d resumed", to.writes, i.Done.Load(), i.Resumed)
				}
				to.writes = 0
				if err := runImport(t, &Import{Target: to, State: state, batch: batch}, text, asFile); err != nil || to.writes != 0 {
					t.Errorf("again: %d writes, %v", to.writes, err)
				}
			})
		}
	}
}

func TestAnImportGoesOnWithAFileThatHasGrown(t *testing.T) {
	m := filled(2, 400) // more than the head that is remembered
	lines := strings.SplitAfter(exported(t, &Export{Source: m}), "\n")
	for _, n := range []int{0, 1, 5, 250, 300, 700} {
		for _, cut := range []int{0, 1} { // with and without the last line break
			to, state := &memory{}, filepath.Join(t.TempDir(), "state")
			part := strings.Join(lines[:n], "")
			part = part[:max(0, len(part)-cut)]
			if err := runImport(t, &Import{Target: to, State: state}, part, true); err != nil {
				t.Fatal(err)
			}
			sameComments(t, to, m.comments[:n])
			if err := runImport(t, &Import{Target: to, State: state}, strings.Join(lines, ""), cut == 0); err != nil {
				t.Fatalf("%d lines, less %d: %v", n, cut, err)
			}
			sameComments(t, to, m.comments)
		}
	}
}

func TestAStateIsOfOneInputAndOneTarget(t *testing.T) {
	m := filled(2, 500)
	lines := strings.SplitAfter(exported(t, &Export{Source: m}), "\n")
	whole := strings.Join(lines, "")
	state := filepath.Join(t.TempDir(), "state")
	if err := runImport(t, &Import{Target: &memory{}, State: state}, whole, true); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another beginning": strings.Join(lines[1:], "") + lines[0],
		"shorter":           strings.Join(lines[:900], ""),
		"much shorter":      lines[0],
		"empty":             "",
		"another end":       strings.Join(lines[:999], "") + strings.Repeat("x", len(lines[999])),
	} {
		for _, asFile := range []bool{true, false} {
			if err := runImport(t, &Import{Target: &memory{}, State: state}, text, asFile); !errors.Is(err, errOtherInput) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := runImport(t, &Import{Target: &otherMemory{}, State: state}, whole, true); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("another target: %v", err)
	}
	if got, _ := os.ReadFile(state); !bytes.Equal(got, kept) {
		t.Error("a refused import changed the state")
	}
	for _, text := range []string{"", "{", "{}", strings.Replace(string(kept), `"offset": `, `"offset": -`, 1), strings.Replace(string(kept), `"format": 1`, `"format": 2`, 1)} {
		if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := runImport(t, &Import{Target: &memory{}, State: state}, whole, true); err == nil || !strings.Contains(err.Error(), "not a state file") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

type otherMemory struct{ memory }

func (*otherMemory) Name() string { return "other" }

func TestAnImportEndsWhileItWaitsForInput(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	i := &Import{In: r, Target: &memory{}}
	ended := make(chan error)
	go func() { ended <- i.Run(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNamesOfDatabasesHoldNoSecret(t *testing.T) {
	for dsn, want := range map[string]string{
		"clickhouse://user:p%40ss@h1:9000,h2:9000/live?password=x": "ClickHouse database live at h1:9000,h2:9000",
		"clickhouse://h:9000":     "ClickHouse database barrage at h:9000",
		"clickhouse://a:b@c@h:9/": "ClickHouse database barrage at h:9",
	} {
		if got := clickHouseName(dsn); got != want {
			t.Errorf("%s: %s", dsn, got)
		}
	}
}

func TestATransferDoesNotChangeTheRetention(t *testing.T) {
	for statement, keeps := range map[string]bool{
		"ALTER TABLE `live`.comments REMOVE TTL;":                                                           false,
		"ALTER TABLE `live`.comments ON CLUSTER 'c' MODIFY TTL toDateTime(created_at) + toIntervalDay(30);": false,
		"CREATE TABLE IF NOT EXISTS `live`.comments (…) TTL toDateTime(created_at) + toIntervalDay(30);":    true,
		"ALTER TABLE `live`.comments ADD COLUMN IF NOT EXISTS color String;":                                true,
	} {
		if err := keepsRetention([]string{"CREATE DATABASE live;", statement}); (err == nil) != keeps {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
