package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"barrage/persistence"
)

const (
	segmentSuffix = ".journal"
	tempSuffix    = ".tmp"
)

// segment is one file as the journal knows it. The fields below path change
// under Journal.mu.
type segment struct {
	first persistence.LSN
	path  string

	last persistence.LSN // the last durable record; first-1 if there is none
	end  int64           // readers read up to here
	size int64           // what the file takes of the disk
}

func segmentPath(dir string, first persistence.LSN) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// parseSegmentName answers the first position in a segment's name.
func parseSegmentName(name string) (persistence.LSN, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return persistence.LSN(n), err == nil && n > 0
}

// active is the segment that is being written. Only the writer touches it.
type active struct {
	*segment
	file File
	salt uint32
}

// createSegment makes a segment of the given size and has it on disk, its name
// included. An unfinished one leaves at most a temporary file, or an empty
// segment that the next attempt replaces.
func createSegment(fs FS, dir string, first persistence.LSN, size int64) (*active, error) {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	salt := le.Uint32(random[:])
	path := segmentPath(dir, first)
	temp := path + tempSuffix
	f, err := fs.Create(temp)
	if err != nil {
		return nil, err
	}
	header := segmentHeader{version: formatVersion, salt: salt, first: first}
	err = f.Allocate(size)
	if err == nil {
		_, err = f.WriteAt(header.encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.Rename(temp, path)
	}
	if err != nil {
		// The temporary file holds nothing; Open removes it if this can't.
		_ = f.Close()
		_ = fs.Remove(temp)
		return nil, err
	}
	if err := fs.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &active{
		segment: &segment{first: first, path: path, last: first - 1, end: segmentHeaderSize, size: size},
		file:    f,
		salt:    salt,
	}, nil
}
