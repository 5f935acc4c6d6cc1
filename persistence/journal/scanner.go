package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"barrage/persistence"
)

// readBlock is how much is read at once; large enough for the calls not to
// matter.
const readBlock = 256 << 10

// scanner reads one segment from its beginning to what is durable of it.
type scanner struct {
	seg  segment // a copy
	file File
	salt uint32

	off  int64           // in the file, of buf[0]
	buf  []byte          // read and not yet used
	mem  []byte          // what buf is a part of
	at   persistence.LSN // of the next record in the file
	left uint32          // records left of the current commit
}

func (s *scanner) open(fs FS, seg segment) error {
	f, err := fs.Open(seg.path, false)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	*s = scanner{seg: seg, file: f, at: seg.first, mem: s.mem}
	b, err := s.peek(segmentHeaderSize)
	if err != nil {
		return errors.Join(err, s.close())
	}
	h, err := checkHeader(b, &s.seg)
	if err != nil {
		return errors.Join(err, s.close())
	}
	s.salt = h.salt
	s.advance(segmentHeaderSize)
	return nil
}

func (s *scanner) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// record answers the payload at a position at or after the current one; the
// bytes are good until the next call.
func (s *scanner) record(lsn persistence.LSN) ([]byte, error) {
	for {
		if s.left == 0 {
			if err := s.commit(lsn); err != nil {
				return nil, err
			}
			continue
		}
		b, err := s.peek(recordHeaderSize)
		if err != nil {
			return nil, err
		}
		payload, need, err := decodeRecord(b, s.salt, s.at)
		if err == nil && need > len(b) {
			if b, err = s.peek(need); err != nil {
				return nil, err
			}
			payload, need, err = decodeRecord(b, s.salt, s.at)
		}
		if err != nil {
			return nil, s.damage(err.Error())
		}
		found := s.at
		s.advance(need)
		s.at++
		s.left--
		if found == lsn {
			return payload, nil
		}
	}
}

// commit goes into the next commit, or past it if it ends before lsn.
func (s *scanner) commit(lsn persistence.LSN) error {
	b, err := s.peek(commitHeaderSize)
	if err != nil {
		return err
	}
	c, ok := decodeCommitHeader(b, s.salt)
	switch {
	case !ok:
		return s.damage("a commit's header is missing or damaged")
	case c.first != s.at:
		return s.damage(fmt.Sprintf("a commit begins with record %d", c.first))
	case c.count == 0:
		return s.damage("the journal was closed here")
	}
	s.advance(commitHeaderSize)
	if behind := s.at + persistence.LSN(c.count); behind <= lsn {
		s.advance(int(c.bytes))
		s.at = behind
		return nil
	}
	s.left = c.count
	return nil
}

// peek answers at least n bytes without using them up.
func (s *scanner) peek(n int) ([]byte, error) {
	if len(s.buf) >= n {
		return s.buf, nil
	}
	if s.off+int64(n) > s.seg.end {
		return nil, s.damage("the file ends here")
	}
	if len(s.mem) < n {
		s.mem = make([]byte, max(n, readBlock))
	}
	kept := copy(s.mem, s.buf)
	from := s.off + int64(kept)
	want := int(min(int64(len(s.mem)-kept), s.seg.end-from))
	got, err := s.file.ReadAt(s.mem[kept:kept+want], from)
	s.buf = s.mem[:kept+got]
	if len(s.buf) >= n {
		return s.buf, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil, s.damage("the file ends here")
	}
	return nil, fmt.Errorf("journal: reading %s: %w", s.seg.path, err)
}

// advance uses up n bytes, which need not have been read.
func (s *scanner) advance(n int) {
	s.off += int64(n)
	s.buf = s.buf[min(n, len(s.buf)):]
}

func (s *scanner) damage(reason string) error {
	return &CorruptError{Path: s.seg.path, Offset: s.off, LSN: s.at, Reason: reason}
}

// resync looks for the next whole commit behind damage and answers the position
// that reading can go on from: that commit's, or the first behind the segment.
func (s *scanner) resync() (persistence.LSN, error) {
	data := make([]byte, max(0, s.seg.end-s.off))
	n, err := s.file.ReadAt(data, s.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("journal: reading %s: %w", s.seg.path, err)
	}
	data = data[:n]
	for at := 0; ; at++ {
		i := bytes.Index(data[min(at, n):], commitMagic[:])
		if i < 0 {
			return s.seg.last + 1, s.close()
		}
		at += i
		c, ok := decodeCommitHeader(data[at:], s.salt)
		if ok && c.first > s.at && c.first <= s.seg.last {
			s.off, s.buf, s.at, s.left = s.off+int64(at), nil, c.first, 0
			return c.first, nil
		}
	}
}
