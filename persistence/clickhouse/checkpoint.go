package clickhouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"barrage/persistence"
	"barrage/persistence/datadir"
)

// checkpointFile is in the writer's folder.
const checkpointFile = "checkpoint.json"

// checkpoint is how far this node's journal is in ClickHouse.
type checkpoint struct {
	// HistoryID names the database's history, so that another one is noticed.
	HistoryID string `json:"historyId"`
	// Writer names this writer in the names of its batches.
	Writer string `json:"writer,omitempty"`
	// Inserted: everything up to here is in ClickHouse.
	Inserted persistence.LSN `json:"inserted"`
	// Pending, if it is above Inserted: a batch up to here was sent, and may or
	// may not be there. It is sent again as the same batch.
	Pending persistence.LSN `json:"pending"`
	// InsertedID is an id below which this node has nothing left to insert, if
	// Barrage's clock has not been set back by minutes.
	InsertedID uint64 `json:"insertedId"`
}

// readCheckpoint answers false if there is none yet.
func readCheckpoint(dir string) (c checkpoint, found bool, err error) {
	path := filepath.Join(dir, checkpointFile)
	b, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, os.ErrNotExist) {
		return c, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, false, fmt.Errorf("reading how far ClickHouse is (%s): %w", path, err)
	}
	return c, true, nil
}

func (c checkpoint) write(dir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return datadir.Replace(dir, checkpointFile, append(b, '\n'))
}
