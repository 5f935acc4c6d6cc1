package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

const nodeIDName = "node-id"

// NodeID answers the id of the node whose folder this is. It is drawn at the
// first start and kept; a node whose folder is lost is another one.
func NodeID(dir string) (string, error) {
	id, err := readNodeID(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return id, err
	}
	if err := writeOnce(dir, nodeIDName, []byte(uuid.NewString()+"\n")); err != nil {
		return "", err
	}
	return readNodeID(dir)
}

func readNodeID(dir string) (string, error) {
	path := filepath.Join(dir, nodeIDName)
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(b))
	if _, err := uuid.Parse(id); err != nil {
		return "", fmt.Errorf("%s does not hold an id: %w", path, err)
	}
	return id, nil
}

// SetNodeNumber keeps another number than the one that was drawn: the cluster
// gave it to this node.
func SetNodeNumber(dir string, n int) error {
	if n < 0 || n >= NodeNumbers {
		return fmt.Errorf("node number %d is not between 0 and %d", n, NodeNumbers-1)
	}
	return Replace(dir, nodeNumberName, []byte(strconv.Itoa(n)+"\n"))
}
