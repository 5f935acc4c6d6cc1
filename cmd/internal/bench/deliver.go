package bench

func (r *reader) deliver(v *viewer, f *frame) {
	if f.retry >= 0 {
		v.retry = f.retry
	}
	if len(f.gaps) > 0 {
		v.gaps = append(v.gaps, f.gaps...)
		if !v.stalled {
			r.local.gaps += int64(len(f.gaps))
		}
	}
	if len(f.comments) == 0 {
		if !v.stalled {
			r.local.others++
		}
		return
	}
	v.last = max(v.last, f.last)
	if v.stalled {
		r.local.stalled += int64(len(f.comments))
		return
	}
	r.local.frames++
	r.local.deliveries += int64(len(f.comments))
	f.arrive(r.now)
	if !f.active {
		f.active = true
		r.active = append(r.active, f)
	}
	if len(f.arrivals) >= maxArrivals {
		r.rec.fold(f)
	}
	r.await.deliver(v, f, r.now)
}

// sweep folds the frames that nobody receives any more.
func (r *reader) sweep(all bool) {
	kept := r.active[:0]
	for _, f := range r.active {
		if !all && r.now-f.seen < int64(retireAfter) {
			kept = append(kept, f)
			continue
		}
		r.rec.fold(f)
		f.arrivals = nil
		f.active = false
	}
	clear(r.active[len(kept):])
	r.active = kept
}
