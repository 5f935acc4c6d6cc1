package embedded

// Stats is how the store stands.
type Stats struct {
	DiskBytes     uint64 // of tables, those to be removed included
	MemTableBytes uint64
	CacheBytes    int64
	CacheHits     int64
	CacheMisses   int64
	Flushes       int64
	Compactions   int64
	// Err says why nothing can be written now; nil if it can.
	Err error
}

// Stats costs some microseconds; for a scrape, not for a request.
func (s *Store) Stats() Stats {
	if !s.gate.enter() {
		return Stats{}
	}
	defer s.gate.leave()
	m := s.db.Metrics()
	return Stats{
		DiskBytes:     m.DiskSpaceUsage(),
		MemTableBytes: m.MemTable.Size,
		CacheBytes:    m.BlockCache.Size,
		CacheHits:     m.BlockCache.Hits,
		CacheMisses:   m.BlockCache.Misses,
		Flushes:       m.Flush.Count,
		Compactions:   m.Compact.Count,
		Err:           s.health.err(),
	}
}
