package bench

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of the chunked coding. A chunk head is a size and perhaps an extension.
const (
	maxChunk     = 64 << 20
	maxChunkHead = 256
)

var (
	errShort = errors.New("more bytes needed")
	errChunk = errors.New("bad chunk")
)

// nextChunk takes the first chunk of data (RFC 9112, section 7.1): its payload,
// which is a part of data, and the number of bytes the whole chunk occupies.
// errShort means that the chunk isn't complete yet. The last chunk has an empty
// payload; its size includes the trailer section.
func nextChunk(data []byte) (payload []byte, size int, err error) {
	eol := bytes.IndexByte(data[:min(len(data), maxChunkHead)], '\n')
	if eol < 0 {
		if len(data) >= maxChunkHead {
			return nil, 0, fmt.Errorf("%w: no end of its head", errChunk)
		}
		return nil, 0, errShort
	}
	n, err := chunkSize(data[:eol])
	if err != nil {
		return nil, 0, err
	}
	if n == 0 {
		return lastChunk(data, eol+1)
	}
	end := eol + 1 + n
	if len(data) < end+2 {
		return nil, 0, errShort
	}
	if data[end] != '\r' || data[end+1] != '\n' {
		return nil, 0, fmt.Errorf("%w: %q where its end should be", errChunk, data[end:end+2])
	}
	return data[eol+1 : end], end + 2, nil
}

// chunkSize reads the hexadecimal size at the start of a chunk's first line,
// which is given without its line feed.
func chunkSize(line []byte) (int, error) {
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return 0, fmt.Errorf("%w: head %q", errChunk, line)
	}
	line = line[:len(line)-1]
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = bytes.TrimRight(line[:i], " \t")
	}
	if len(line) == 0 {
		return 0, fmt.Errorf("%w: no size", errChunk)
	}
	n := 0
	for _, b := range line {
		switch {
		case b >= '0' && b <= '9':
			n = n<<4 | int(b-'0')
		case b >= 'a' && b <= 'f':
			n = n<<4 | int(b-'a'+10)
		case b >= 'A' && b <= 'F':
			n = n<<4 | int(b-'A'+10)
		default:
			return 0, fmt.Errorf("%w: size %q", errChunk, line)
		}
		if n > maxChunk {
			return 0, fmt.Errorf("%w: size %q is over %d bytes", errChunk, line, maxChunk)
		}
	}
	return n, nil
}

// lastChunk measures the chunk of size 0 with its trailer lines, which begin at
// offset at.
func lastChunk(data []byte, at int) ([]byte, int, error) {
	for {
		eol := bytes.IndexByte(data[at:], '\n')
		if eol < 0 {
			if len(data)-at > maxChunkHead {
				return nil, 0, fmt.Errorf("%w: trailer too long", errChunk)
			}
			return nil, 0, errShort
		}
		line := bytes.TrimSuffix(data[at:at+eol], []byte("\r"))
		at += eol + 1
		if len(line) == 0 {
			return nil, at, nil
		}
	}
}
