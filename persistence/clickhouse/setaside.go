package clickhouse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"

	"barrage/persistence"
	"barrage/persistence/records"
)

// SetAsideFile is where records are that ClickHouse refuses, in the writer's
// folder: JSON lines of {"lsn","error","record"}.
const SetAsideFile = "set-aside.jsonl"

// setAsideLine is a line of the file.
type setAsideLine struct {
	LSN    persistence.LSN `json:"lsn"`
	Error  string          `json:"error"`
	Record json.RawMessage `json:"record"`
}

// setAside writes a record into the file.
func (w *Writer) setAside(e persistence.Entry, cause error) (err error) {
	path := filepath.Join(w.cfg.Dir, SetAsideFile)
	record, err := protojson.Marshal(e.Record)
	if err != nil {
		return fmt.Errorf("setting record %d aside: %w", e.LSN, err)
	}
	line, err := json.Marshal(setAsideLine{e.LSN, cause.Error(), record})
	if err != nil {
		return fmt.Errorf("setting record %d aside: %w", e.LSN, err)
	}
	if err := appendLine(path, line); err != nil {
		return fmt.Errorf("setting record %d aside: %w", e.LSN, err)
	}
	w.db.cfg.Logger.Error("clickhouse: a record is refused and was set aside; the rest goes on", "lsn", e.LSN, "file", path, "error", cause)
	w.db.cfg.Events.SetAside(1)
	w.missing.add(e.Record)
	return nil
}

// appendLine returns when the line is on disk. One that a crash tore is ended
// first.
func appendLine(path string, line []byte) (err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if end > 0 {
		if _, err := f.ReadAt(last, end-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// missing are comments that ClickHouse doesn't have, since it refused them.
type missing struct {
	mu      sync.Mutex
	byVideo map[string][]uint64
	lowest  uint64 // of all ids; 0: there are none
}

func (m *missing) add(r *records.Record) {
	c := r.GetCommentPosted().GetComment()
	if c == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byVideo == nil {
		m.byVideo = map[string][]uint64{}
	}
	m.byVideo[c.GetLiveVideoId()] = append(m.byVideo[c.GetLiveVideoId()], c.GetId())
	if m.lowest == 0 || c.GetId() < m.lowest {
		m.lowest = c.GetId()
	}
}

func (m *missing) lowestID() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lowest
}

// SetAside are the comments that were set aside, by live video: whoever has
// them must keep them. Those of a line that the operator removed are not among
// them after the next start.
func (w *Writer) SetAside() map[string][]uint64 {
	w.missing.mu.Lock()
	defer w.missing.mu.Unlock()
	all := make(map[string][]uint64, len(w.missing.byVideo))
	for video, ids := range w.missing.byVideo {
		all[video] = slices.Clone(ids)
	}
	return all
}

// load reads what earlier runs have set aside. Lines that say nothing, which a
// crash tore or a person wrote, are passed over.
func (m *missing) load(dir string, log *slog.Logger) error {
	path := filepath.Join(dir, SetAsideFile)
	text, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, text := range bytes.Split(text, []byte{'\n'}) {
		if len(text) == 0 {
			continue
		}
		var line setAsideLine
		r := new(records.Record)
		err := json.Unmarshal(text, &line)
		if err == nil {
			err = protojson.Unmarshal(line.Record, r)
		}
		if err != nil {
			log.Warn("clickhouse: a line of what was set aside can't be read", "file", path, "line", i+1, "error", err)
			continue
		}
		m.add(r)
	}
	return nil
}
