package datadir

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	nodeNumberName = "node-number"

	// NodeNumbers is how many node numbers there are: 10 bits of a comment id.
	NodeNumbers = 1 << 10
)

// NodeNumber answers the node's number, 0 to 1023. It is drawn at the first
// start and kept, so that a node gives its own ids again after a restart.
func NodeNumber(dir string) (int, error) {
	n, err := readNodeNumber(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return n, err
	}
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	drawn := binary.LittleEndian.Uint16(b[:]) % NodeNumbers
	if err := writeOnce(dir, nodeNumberName, []byte(strconv.Itoa(int(drawn))+"\n")); err != nil {
		return 0, err
	}
	return readNodeNumber(dir)
}

func readNodeNumber(dir string) (int, error) {
	path := filepath.Join(dir, nodeNumberName)
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 || n >= NodeNumbers {
		return 0, fmt.Errorf("%s does not hold a number from 0 to %d", path, NodeNumbers-1)
	}
	return n, nil
}
