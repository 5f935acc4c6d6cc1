package transfer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence/records"
)

// memory is a source and a target.
type memory struct {
	comments []*records.Comment // in the order of an export
	written  map[Position]*records.Comment
	writes   int
	failAt   int // this write fails; 0: none
}

var errMemory = errors.New("no more")

func (m *memory) Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error {
	for _, c := range m.comments {
		behind := c.LiveVideoId > after.LiveVideoID || c.LiveVideoId == after.LiveVideoID && c.Id > after.CommentID
		if !behind || len(videos) > 0 && !slices.Contains(videos, c.LiveVideoId) {
			continue
		}
		if err := errors.Join(ctx.Err(), fn(c)); err != nil {
			return err
		}
	}
	return nil
}
func (m *memory) Count(context.Context) (int64, error) { return int64(len(m.comments)), nil }
func (m *memory) Name() string                         { return "memory" }
func (m *memory) Close() error                         { return nil }
func (m *memory) Write(_ context.Context, comments []*records.Comment) error {
	if m.writes++; m.writes == m.failAt {
		return errMemory
	}
	if m.written == nil {
		m.written = map[Position]*records.Comment{}
	}
	for _, c := range comments {
		m.written[Position{c.LiveVideoId, c.Id}] = c
	}
	return nil
}

func filled(videos, each int) *memory {
	m := &memory{}
	for v := range videos {
		for n := range each {
			m.comments = append(m.comments, comment(string(rune('a'+v)), n))
		}
	}
	return m
}

func exported(t *testing.T, e *Export) string {
	t.Helper()
	var out bytes.Buffer
	e.Out = &out
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnExportCanBePartOfHistory(t *testing.T) {
	m := filled(3, 10)
	line := func(v, n int) string { return string(AppendLine(nil, m.comments[v*10+n])) }
	e := &Export{
		Source: m, Videos: []string{"a", "c"}, After: Position{"a", m.comments[7].Id},
		Span: Span{Since: time.UnixMilli(m.comments[3].CreatedAtMs), Until: time.UnixMilli(m.comments[9].CreatedAtMs)},
	}
	got := exported(t, e)
	if want := line(0, 8) + line(2, 3) + line(2, 4) + line(2, 5) + line(2, 6) + line(2, 7) + line(2, 8); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if e.Done.Load() != 7 || e.Rooms.Load() != 2 {
		t.Errorf("counted %d, %d", e.Done.Load(), e.Rooms.Load())
	}
	if err := (Span{Since: now, Until: now}).Validate(); err == nil {
		t.Error("an empty span is taken")
	}
}

func TestAnExportThatFailsLeavesWholeLines(t *testing.T) {
	m := filled(2, 3*encodeBatch)
	ctx, cancel := context.WithCancel(t.Context())
	source := &endingSource{memory: m, after: 2*encodeBatch + 10, end: cancel}
	var out bytes.Buffer
	e := &Export{Source: source, Out: &out}
	if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	whole := exported(t, &Export{Source: m})
	if !bytes.HasPrefix([]byte(whole), out.Bytes()) || out.Len() > 0 && out.Bytes()[out.Len()-1] != '\n' {
		t.Errorf("%d bytes, not the beginning of the whole", out.Len())
	}
}

type endingSource struct {
	*memory
	after int
	end   func()
}

func (s *endingSource) Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error {
	n := 0
	return s.memory.Scan(ctx, after, videos, func(c *records.Comment) error {
		if n++; n == s.after {
			s.end()
		}
		return fn(c)
	})
}

// TestAnExportGoesOnAfterAnyCut ends a file after each byte, as a crash would.
func TestAnExportGoesOnAfterAnyCut(t *testing.T) {
	m := filled(2, 3)
	whole := exported(t, &Export{Source: m})
	path := filepath.Join(t.TempDir(), "out.jsonl")
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		f, after, err := ResumeOut(path)
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		e := &Export{Source: m, Out: f, After: after}
		if err := errors.Join(e.Run(t.Context()), f.Close()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != whole {
			t.Fatalf("after %d bytes it became\n%s%v", n, got, err)
		}
	}
}

func TestAFileOfSomebodyElseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	long := bytes.Repeat([]byte("x"), 3*MaxLine)
	for _, text := range [][]byte{
		[]byte("notes, no line break"), []byte("notes\nmore notes\n"), []byte(`{"id":"1"}` + "\n"),
		append([]byte(firstBytes), long...), []byte(firstBytes + "\n"),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ResumeOut(path); !errors.Is(err, errNoExport) {
			t.Errorf("%.20q: %v", text, err)
		}
		if _, err := CreateOut(path); !errors.Is(err, ErrExists) {
			t.Errorf("%.20q: %v", text, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
			t.Errorf("%.20q was changed", text)
		}
	}
	if _, _, err := ResumeOut(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}

// sameComments compares what a target has with what there was to import.
func sameComments(t *testing.T, m *memory, want []*records.Comment) {
	t.Helper()
	if len(m.written) != len(want) {
		t.Errorf("%d comments, want %d", len(m.written), len(want))
	}
	for _, c := range want {
		if got := m.written[Position{c.LiveVideoId, c.Id}]; !proto.Equal(got, c) {
			t.Fatalf("%v became %v", c, got)
		}
	}
}
