package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"barrage/persistence"
)

const (
	formatVersion = 1

	segmentHeaderSize = 32
	commitHeaderSize  = 24
	recordHeaderSize  = 8

	// MaxRecordBytes bounds one encoded record. A comment is a few hundred
	// bytes; the bound is what a reader must be ready to allocate when a length
	// was damaged.
	MaxRecordBytes = 1 << 20
)

var (
	segmentMagic = [8]byte{'B', 'A', 'R', 'R', 'A', 'G', 'E', 'J'}
	// 0xF5 and 0xFF never occur in UTF-8, so texts seldom make recovery look
	// closer.
	commitMagic = [4]byte{0xF5, 'B', 'C', 0xFF}

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// CorruptError says that the journal holds damage that no crash explains.
type CorruptError struct {
	Path   string
	Offset int64
	LSN    persistence.LSN // the record that is missing or damaged
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal damaged: %s at offset %d (record %d): %s", e.Path, e.Offset, e.LSN, e.Reason)
}

// segmentHeader is what a segment says about itself.
type segmentHeader struct {
	version uint32
	salt    uint32
	first   persistence.LSN
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	copy(b, segmentMagic[:])
	le.PutUint32(b[8:], h.version)
	le.PutUint32(b[12:], h.salt)
	le.PutUint64(b[16:], uint64(h.first))
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	return b
}

func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < segmentHeaderSize {
		return segmentHeader{}, errors.New("the file is shorter than its header")
	}
	if !bytes.Equal(b[:8], segmentMagic[:]) {
		return segmentHeader{}, errors.New("not a journal segment")
	}
	if le.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return segmentHeader{}, errors.New("the header's checksum is wrong")
	}
	h := segmentHeader{version: le.Uint32(b[8:]), salt: le.Uint32(b[12:]), first: persistence.LSN(le.Uint64(b[16:]))}
	if h.version > formatVersion {
		return h, fmt.Errorf("written in format %d by a newer version; this one reads up to %d", h.version, formatVersion)
	}
	return h, nil
}

// commitHeader precedes the records that were made durable together.
type commitHeader struct {
	count uint32 // 0: the seal
	first persistence.LSN
	bytes uint32 // of the records, their headers included
}

func (h commitHeader) put(b []byte, salt uint32) {
	copy(b, commitMagic[:])
	le.PutUint32(b[4:], h.count)
	le.PutUint64(b[8:], uint64(h.first))
	le.PutUint32(b[16:], h.bytes)
	le.PutUint32(b[20:], crc32.Update(salt, castagnoli, b[:20]))
}

// decodeCommitHeader answers false for anything that is not a whole header.
func decodeCommitHeader(b []byte, salt uint32) (commitHeader, bool) {
	if len(b) < commitHeaderSize || !bytes.Equal(b[:4], commitMagic[:]) ||
		le.Uint32(b[20:]) != crc32.Update(salt, castagnoli, b[:20]) {
		return commitHeader{}, false
	}
	h := commitHeader{count: le.Uint32(b[4:]), first: persistence.LSN(le.Uint64(b[8:])), bytes: le.Uint32(b[16:])}
	return h, uint64(h.bytes) >= uint64(h.count)*recordHeaderSize
}

// recordCRC covers the position too, so that a record that shows up in the
// wrong place is not taken for another.
func recordCRC(salt uint32, lsn persistence.LSN, payload []byte) uint32 {
	var b [12]byte
	le.PutUint32(b[:], uint32(len(payload)))
	le.PutUint64(b[4:], uint64(lsn))
	return crc32.Update(crc32.Update(salt, castagnoli, b[:]), castagnoli, payload)
}

// decodeRecord answers the payload (a part of b) and how many bytes the record
// takes. need > len(b) with no error means that b holds only its beginning.
func decodeRecord(b []byte, salt uint32, lsn persistence.LSN) (payload []byte, need int, err error) {
	if len(b) < recordHeaderSize {
		return nil, recordHeaderSize, nil
	}
	n := le.Uint32(b)
	if n == 0 || n > MaxRecordBytes {
		return nil, 0, fmt.Errorf("a record of %d bytes is impossible", n)
	}
	need = recordHeaderSize + int(n)
	if len(b) < need {
		return nil, need, nil
	}
	payload = b[recordHeaderSize:need]
	if le.Uint32(b[4:]) != recordCRC(salt, lsn, payload) {
		return nil, 0, errors.New("the record's checksum is wrong")
	}
	return payload, need, nil
}
