package journal

import (
	"bytes"
	"errors"

	"barrage/persistence"
)

// inspection is what the last segment's bytes turned out to hold.
type inspection struct {
	header segmentHeader
	end    int             // where the whole records end
	last   persistence.LSN // header.first-1 if there is none
	sealed bool            // closed in order
	torn   string          // why bytes after end were cut, "" if nothing was
}

// inspect checks a whole last segment; see the package comment for how it tells
// a torn tail, which it reports in the result, from damage, which is an error
// with Path left empty.
func inspect(data []byte) (inspection, error) {
	h, err := decodeSegmentHeader(data)
	if err != nil {
		return inspection{}, &CorruptError{LSN: h.first, Reason: err.Error()}
	}
	if h.first == 0 {
		return inspection{}, &CorruptError{Reason: "the first position is 0"}
	}
	in := inspection{header: h, end: segmentHeaderSize, last: h.first - 1}
	for {
		start, first := in.end, in.last+1
		c, ok := decodeCommitHeader(data[start:], h.salt)
		switch {
		case !ok || c.first != first:
			if allZero(data[start:]) {
				return in, nil
			}
			in.torn = "a commit's header is missing or damaged"
		case c.count == 0:
			in.sealed = true
			return in, nil
		default:
			in.torn = in.records(data, c)
		}
		if in.torn != "" {
			return in, in.refuteTorn(data, start, first)
		}
	}
}

// records goes through one commit and moves end and last past each whole
// record, so that of a torn commit the beginning is kept. It answers what is
// wrong with the commit, if anything.
func (in *inspection) records(data []byte, c commitHeader) string {
	at := in.end + commitHeaderSize
	stop := min(at+int(c.bytes), len(data))
	for range c.count {
		_, need, err := decodeRecord(data[at:stop], in.header.salt, in.last+1)
		if err == nil && at+need > stop {
			err = errors.New("the commit ends within a record")
		}
		if err != nil {
			return err.Error()
		}
		at += need
		in.end = at
		in.last++
	}
	if at != stop {
		return "a commit has bytes behind its last record"
	}
	return ""
}

// refuteTorn looks behind a bad commit for one that can only have been written
// after the bad one was on disk.
func (in *inspection) refuteTorn(data []byte, start int, first persistence.LSN) error {
	for at := start + 1; ; at++ {
		i := bytes.Index(data[min(at, len(data)):], commitMagic[:])
		if i < 0 {
			return nil
		}
		at += i
		c, ok := decodeCommitHeader(data[at:], in.header.salt)
		// A position higher than the bytes in between could hold is none of
		// this place.
		if ok && c.first > first && uint64(c.first-first) <= uint64(at-start)/recordHeaderSize {
			return &CorruptError{Offset: int64(in.end), LSN: in.last + 1, Reason: in.torn + ", and a later commit follows"}
		}
	}
}

// lastCommit answers the highest position that a damaged segment speaks of.
func lastCommit(data []byte, in inspection) persistence.LSN {
	last := in.last
	for at := in.end; ; at++ {
		i := bytes.Index(data[min(at, len(data)):], commitMagic[:])
		if i < 0 {
			return last
		}
		at += i
		if c, ok := decodeCommitHeader(data[at:], in.header.salt); ok {
			last = max(last, c.first+persistence.LSN(c.count)-1)
		}
	}
}

func allZero(b []byte) bool {
	var zero [4096]byte
	for len(b) > len(zero) {
		if !bytes.Equal(b[:len(zero)], zero[:]) {
			return false
		}
		b = b[len(zero):]
	}
	return bytes.Equal(b, zero[:len(b)])
}
