package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
)

// segmentOfCommits answers the bytes of a segment whose commits hold so many
// records each, zeroes behind them, and where each commit begins and each
// record ends.
func segmentOfCommits(tb testing.TB, counts ...int) (data []byte, commits, ends []int) {
	tb.Helper()
	const salt = 0xfeedbeef
	h := segmentHeader{version: formatVersion, salt: salt, first: 1}
	data = h.encode()
	n := uint64(0)
	for _, count := range counts {
		q := newQueue(small(nil).withDefaults())
		q.pendingBytes = 1 << 20
		commits = append(commits, len(data))
		for range count {
			n++
			if err := q.add(encode(tb, n), newSink()); err != nil {
				tb.Fatal(err)
			}
		}
		c := q.take()[0]
		c.finish(persistence.LSN(n)-persistence.LSN(count)+1, salt)
		at := len(data) + commitHeaderSize
		for body := c.buf[commitHeaderSize:]; len(body) > 0; {
			size := recordHeaderSize + int(le.Uint32(body))
			at += size
			ends = append(ends, at)
			body = body[size:]
		}
		data = append(data, c.buf...)
	}
	return append(data, make([]byte, 700)...), commits, ends
}

func encode(tb testing.TB, n uint64) []byte {
	tb.Helper()
	b, err := proto.Marshal(comment(n))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// whole answers how many records lie before an offset.
func whole(ends []int, offset int) persistence.LSN {
	i, found := slices.BinarySearch(ends, offset)
	if found {
		i++
	}
	return persistence.LSN(i)
}

func TestATornWriteIsCutAtEveryByteAndKeepsWholeRecords(t *testing.T) {
	data, commits, ends := segmentOfCommits(t, 3, 1, 4)
	last := commits[2]
	for cut := last; cut <= len(data); cut++ {
		zeroed := slices.Clone(data) // what fallocate left
		clear(zeroed[cut:])
		for name, torn := range map[string][]byte{"short": data[:cut], "zeroed": zeroed} {
			in, err := inspect(torn)
			if err != nil {
				t.Fatalf("%s at %d: %v", name, cut, err)
			}
			if want := whole(ends, cut); in.last != want {
				t.Fatalf("%s at %d: %d records, want %d", name, cut, in.last, want)
			}
			if in.last > 0 && in.end != ends[in.last-1] {
				t.Fatalf("%s at %d: cut at %d", name, cut, in.end)
			}
		}
	}
}

func TestSectorsOfATornWriteMayArriveInAnyOrder(t *testing.T) {
	// The last commit spans several sectors; every subset of them is a crash.
	data, commits, ends := segmentOfCommits(t, 2, 12)
	first := commits[1] / diskSector
	sectors := (ends[len(ends)-1]-1)/diskSector - first + 1
	if sectors < 4 || sectors > 12 {
		t.Fatalf("%d sectors", sectors)
	}
	for subset := range 1 << sectors {
		torn := slices.Clone(data)
		for i := range sectors {
			if subset&(1<<i) == 0 {
				clear(torn[max(commits[1], (first+i)*diskSector):min(len(torn), (first+i+1)*diskSector)])
			}
		}
		in, err := inspect(torn)
		if err != nil {
			t.Fatalf("subset %b: %v", subset, err)
		}
		if in.last < 2 || subset == 1<<sectors-1 && in.last != 14 {
			t.Fatalf("subset %b: %d records", subset, in.last)
		}
	}
}

func TestABitFlipInTheLastCommitIsATornTail(t *testing.T) {
	data, commits, ends := segmentOfCommits(t, 3, 4)
	for at := commits[1]; at < ends[len(ends)-1]; at++ {
		bad := slices.Clone(data)
		bad[at] ^= 1 << (at % 8)
		in, err := inspect(bad)
		if err != nil {
			t.Fatalf("at %d: %v", at, err)
		}
		if in.torn == "" || in.last < 3 || in.last >= 7 {
			t.Fatalf("at %d: %+v", at, in)
		}
	}
}

func TestABitFlipBeforeTheLastCommitIsReportedAsDamage(t *testing.T) {
	data, commits, _ := segmentOfCommits(t, 3, 1, 4)
	for at := range commits[2] {
		bad := slices.Clone(data)
		bad[at] ^= 1 << (at % 8)
		_, err := inspect(bad)
		corrupt := (*CorruptError)(nil)
		if !errors.As(err, &corrupt) {
			t.Fatalf("at %d: %v", at, err)
		}
		if at >= segmentHeaderSize && (corrupt.LSN < 1 || corrupt.LSN > 4 || corrupt.Offset > int64(at)) {
			t.Fatalf("at %d: %v", at, corrupt)
		}
	}
}

func TestAnyBitFlipInAJournalClosedInOrderIsReported(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1, 2, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path := segmentPath("/journal", 1)
	data := slices.Clone(fs.names[path].data)
	for at := range len(data) - commitHeaderSize { // the seal itself proves nothing
		bad := slices.Clone(data)
		bad[at] ^= 0x10
		fs.names[path].data = bad
		_, err := Open(small(fs))
		corrupt := (*CorruptError)(nil)
		if !errors.As(err, &corrupt) || corrupt.Path != path || corrupt.Offset > int64(at) {
			t.Fatalf("at %d: %v", at, err)
		}
		if !strings.Contains(err.Error(), path) {
			t.Fatalf("the message does not name the file: %v", err)
		}
	}
	fs.names[path].data = data
	wantRun(t, readAll(t, open(t, small(fs)), 0), 1, 1, 3)
}

func TestATornTailIsLoggedAndTheNextRecordTakesItsPlace(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1, 2)
	fill(t, j, 3, 3)
	node := fs.names[segmentPath("/journal", 1)]
	end := int(j.segments[0].end)
	clear(node.data[end-5 : end])

	var log bytes.Buffer
	cfg := small(fs)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	j = open(t, cfg)
	if !strings.Contains(log.String(), "torn") {
		t.Errorf("log: %s", log.String())
	}
	one(t, j, 4)
	entries := readAll(t, j, 0)
	wantRun(t, entries[:2], 1, 1, 2)
	wantRun(t, entries[2:], 3, 4, 4)
	_ = j.Close()
	if got := readAll(t, open(t, small(fs)), 0); len(got) != 3 {
		t.Errorf("%d entries", len(got))
	}
}

func TestTextCannotPassForACommit(t *testing.T) {
	// Whoever knows the format but not the salt writes a header of a later
	// commit into a comment, and a torn write follows.
	var forged [commitHeaderSize]byte
	commitHeader{count: 1, first: 9, bytes: 50}.put(forged[:], 0)
	data, commits, _ := segmentOfCommits(t, 3, 4)
	bad := slices.Clone(data)
	copy(bad[commits[1]+100:], forged[:])
	in, err := inspect(bad)
	if err != nil || in.last < 3 {
		t.Fatalf("%+v, %v", in, err)
	}
}

func TestDamageInAnEarlierSegmentIsReportedWithFileAndOffset(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		fs := newMemFS()
		j := open(t, small(fs))
		fill(t, j, 1, 100)
		fill(t, j, 101, 200)
		_ = j.Close()
		j = open(t, small(fs))
		segments := j.Stats().Segments
		if segments < 3 {
			t.Fatalf("%d segments", segments)
		}
		s := j.segments[rng.IntN(segments-1)]
		node := fs.names[s.path]
		at := segmentHeaderSize + rng.IntN(len(node.data)-segmentHeaderSize)
		node.data[at] ^= 1 << rng.IntN(8)

		got, err := tryReadAll(j, 0)
		corrupt := (*CorruptError)(nil)
		if !errors.As(err, &corrupt) || corrupt.Path != s.path || corrupt.Offset > int64(at) ||
			corrupt.LSN < s.first || corrupt.LSN > s.last {
			t.Fatalf("flip in %s at %d: %v", s.path, at, err)
		}
		wantRun(t, got, 1, 1, uint64(corrupt.LSN-1)) // all before it was read

		// The operator's way on: everything but the damaged commit.
		_ = j.Close()
		cfg := small(fs)
		cfg.SkipDamaged = true
		j = open(t, cfg)
		rest := readAll(t, j, 0)
		if rest[len(rest)-1].LSN != 200 || len(rest) >= 200 || len(rest) < 100 {
			t.Fatalf("%d entries up to %d", len(rest), rest[len(rest)-1].LSN)
		}
		for _, e := range rest {
			if uint64(e.LSN) != numberOf(e.Record) {
				t.Fatalf("number %d at %d", numberOf(e.Record), e.LSN)
			}
		}
		_ = j.Close()
	}
}

func TestAnOperatorCanPassOverDamageInTheLastSegment(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1, 2, 3, 4)
	_ = j.Close()
	node := fs.names[segmentPath("/journal", 1)]
	node.data[segmentHeaderSize+commitHeaderSize+recordHeaderSize] ^= 1
	if _, err := Open(small(fs)); err == nil {
		t.Fatal("opened")
	}
	cfg := small(fs)
	cfg.SkipDamaged = true
	j = open(t, cfg)
	one(t, j, 5)
	wantRun(t, readAll(t, j, 0), 2, 2, 5)
}

func TestANewerFormatIsRefused(t *testing.T) {
	fs := newMemFS()
	j := open(t, small(fs))
	one(t, j, 1)
	_ = j.Close()
	h := segmentHeader{version: formatVersion + 1, first: 1}
	copy(fs.names[segmentPath("/journal", 1)].data, h.encode())
	if _, err := Open(small(fs)); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("%v", err)
	}
}

func TestARecordIsOnlyGoodAtItsPosition(t *testing.T) {
	data, commits, ends := segmentOfCommits(t, 1)
	record := data[commits[0]+commitHeaderSize : ends[0]]
	if _, _, err := decodeRecord(record, 0xfeedbeef, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		salt uint32
		lsn  persistence.LSN
	}{{0xfeedbeef, 2}, {0xfeedbeee, 1}} {
		if _, _, err := decodeRecord(record, c.salt, c.lsn); err == nil {
			t.Errorf("good at %d with salt %x", c.lsn, c.salt)
		}
	}
}
