package journal

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"barrage/persistence"
)

// FuzzInspect: whatever a last segment holds, recovery neither panics nor
// invents records, and what it keeps stays after it was cut.
func FuzzInspect(f *testing.F) {
	data, commits, ends := segmentOfCommits(f, 2, 1, 3)
	f.Add(data)
	f.Add(data[:ends[len(ends)-1]])
	f.Add(data[:commits[1]+7])
	f.Add(data[:segmentHeaderSize])
	f.Add([]byte{})
	seal := append([]byte(nil), data[:ends[5]+commitHeaderSize]...)
	commitHeader{first: 7}.put(seal[ends[5]:], 0xfeedbeef)
	f.Add(seal)
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := inspect(data)
		if err != nil {
			if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) {
				t.Fatalf("%v is no CorruptError", err)
			}
			return
		}
		if in.end > len(data) || in.end < segmentHeaderSize || in.last+1 < in.header.first {
			t.Fatalf("%+v of %d bytes", in, len(data))
		}
		again, err := inspect(data[:in.end])
		if err != nil || again.last != in.last || again.end != in.end {
			t.Fatalf("%+v, and cut %+v, %v", in, again, err)
		}
		if lastCommit(data, in) < in.last {
			t.Fatal("the last commit is before the last record")
		}
	})
}

// FuzzReader: whatever the file of an earlier segment holds, the reader answers
// entries in order or an error, with and without passing over damage.
func FuzzReader(f *testing.F) {
	data, _, ends := segmentOfCommits(f, 2, 1, 3)
	f.Add(data, false)
	f.Add(data[:ends[3]], true)
	f.Add(bytes.Repeat(commitMagic[:], 30), true)
	f.Fuzz(func(t *testing.T, data []byte, skip bool) {
		if len(data) < segmentHeaderSize {
			return
		}
		fs := newMemFS()
		first, second := segmentPath("/journal", 1), segmentPath("/journal", 7)
		copy(data, segmentHeader{version: formatVersion, salt: 0xfeedbeef, first: 1}.encode())
		fs.names[first] = &memNode{data: data}
		fs.names[second] = &memNode{data: segmentHeader{version: formatVersion, first: 7}.encode()}
		cfg := small(fs)
		cfg.SkipDamaged = skip
		j, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
		r := j.Reader(0)
		for last := persistence.LSN(0); ; {
			entries, err := r.Next(context.Background(), 2, 1<<20)
			if err != nil {
				corrupt := (*CorruptError)(nil)
				if !errors.Is(err, persistence.ErrClosed) && (skip || !errors.As(err, &corrupt)) {
					t.Fatal(err)
				}
				return
			}
			for _, e := range entries {
				if e.LSN <= last || e.LSN > 6 || !skip && e.LSN != last+1 {
					t.Fatalf("%d follows %d", e.LSN, last)
				}
				last = e.LSN
			}
		}
	})
}
