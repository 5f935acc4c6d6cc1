package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"barrage/persistence"
)

// recovered is what Open found in the folder.
type recovered struct {
	segments []*segment
	last     persistence.LSN // the last durable record
}

// recoverDir reads the folder and brings it into a state that new segments can
// follow. Only the last segment is read whole; see the package comment.
func recoverDir(cfg Config) (recovered, error) {
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return recovered{}, fmt.Errorf("journal: %w", err)
	}
	firsts, err := listSegments(cfg)
	if err != nil {
		return recovered{}, fmt.Errorf("journal: %w", err)
	}
	var found recovered
	for i, first := range firsts {
		s := &segment{first: first, path: segmentPath(cfg.Dir, first)}
		if i+1 < len(firsts) {
			s.last = firsts[i+1] - 1
			err = recoverEarlier(cfg, s)
		} else {
			err = recoverLast(cfg, s)
		}
		if err != nil {
			return recovered{}, err
		}
		found.segments = append(found.segments, s)
		found.last = s.last
	}
	if cfg.After > found.last {
		return restartAfter(cfg, found)
	}
	if n := len(found.segments); n > 0 && found.segments[n-1].last < found.segments[n-1].first {
		// Empty: the first commit makes a file of this name anew. On disk it
		// stays till then, because it says where the journal stands.
		found.segments = found.segments[:n-1]
	}
	return found, nil
}

// listSegments answers the first positions in order and removes what an
// interrupted creation left.
func listSegments(cfg Config) ([]persistence.LSN, error) {
	names, err := cfg.FS.List(cfg.Dir)
	if err != nil {
		return nil, err
	}
	var firsts []persistence.LSN
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix+tempSuffix) {
			if err := cfg.FS.Remove(filepath.Join(cfg.Dir, name)); err != nil {
				return nil, err
			}
		}
		if first, ok := parseSegmentName(name); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// recoverEarlier checks that a segment is what its name says. Its records are
// checked when they are read.
func recoverEarlier(cfg Config, s *segment) (err error) {
	f, err := cfg.FS.Open(s.path, false)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if s.size, err = f.Size(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	s.end = s.size
	b := make([]byte, min(segmentHeaderSize, s.size))
	if _, err := f.ReadAt(b, 0); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err = checkHeader(b, s); err != nil && cfg.SkipDamaged {
		cfg.Logger.Error("journal: a damaged segment is passed over", "err", err)
		return nil
	}
	return err
}

func checkHeader(b []byte, s *segment) (segmentHeader, error) {
	h, err := decodeSegmentHeader(b)
	if err == nil && h.first != s.first {
		err = fmt.Errorf("its header says that it begins with record %d", h.first)
	}
	if err != nil {
		return h, &CorruptError{Path: s.path, LSN: s.first, Reason: err.Error()}
	}
	return h, nil
}

// recoverLast reads the last segment, and cuts it behind its last whole record.
func recoverLast(cfg Config, s *segment) (err error) {
	f, err := cfg.FS.Open(s.path, true)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if s.size, err = f.Size(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	data := make([]byte, s.size)
	if _, err := f.ReadAt(data, 0); err != nil && s.size > 0 {
		return fmt.Errorf("journal: %w", err)
	}
	in, err := inspect(data)
	if err == nil {
		_, err = checkHeader(data, s)
	}
	if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
		corrupt.Path = s.path
		if !cfg.SkipDamaged || in.header.first != s.first {
			return err
		}
		cfg.Logger.Error("journal: a damaged commit is passed over", "err", err)
		s.last, s.end = lastCommit(data, in), s.size
		return nil
	}
	if err != nil {
		return err
	}
	s.last, s.end = in.last, int64(in.end)
	if in.torn != "" {
		cfg.Logger.Warn("journal: cut a commit that was torn by a crash",
			"file", s.path, "offset", in.end, "record", in.last+1, "reason", in.torn)
	}
	if in.sealed || s.size == s.end {
		return nil
	}
	err = f.Truncate(s.end)
	if err == nil {
		s.size = s.end
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("journal: cutting the tail of %s: %w", s.path, err)
	}
	return nil
}

// restartAfter begins anew after a position that is known to be in use. What
// the journal holds lies before it, so the store has it all.
func restartAfter(cfg Config, found recovered) (recovered, error) {
	if len(found.segments) > 0 {
		cfg.Logger.Warn("journal: older than the store, beginning anew", "last", found.last, "after", cfg.After)
	}
	for _, s := range found.segments {
		err := cfg.FS.Remove(s.path)
		if err == nil {
			err = cfg.FS.SyncDir(cfg.Dir)
		}
		if err != nil {
			return recovered{}, fmt.Errorf("journal: removing %s: %w", s.path, err)
		}
	}
	return recovered{last: cfg.After}, nil
}
