package actors

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// MaxBundle is the most live videos that one stream carries.
const MaxBundle = 20

// bundleName is what a set of live videos, in order, is known by. No live
// video's id has a comma in it.
func bundleName(videos []string) string { return strings.Join(videos, ",") }

func bundleVideos(name string) []string { return strings.Split(name, ",") }

// A resume id of a bundle holds a comment id for each of its live videos, in
// the order of their names: the highest as it is, and each as its distance
// from that, all as varints in base64url. Live videos that are alike busy take
// about four bytes each, which keeps the id of a handful below the 128 bytes
// from where on browsers ask before they send it to another origin.

// FormatPositions writes the resume id of a stream of several live videos.
func FormatPositions(positions []uint64) string {
	highest := slices.Max(positions)
	b := binary.AppendUvarint(make([]byte, 0, 64), highest)
	for _, p := range positions {
		b = binary.AppendUvarint(b, highest-p)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

var errPositions = errors.New("not a resume id of a stream of these live videos")

// ParsePositions reads the resume id of a stream of n live videos.
func ParsePositions(id string, n int) ([]uint64, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return nil, errPositions
	}
	highest, size := binary.Uvarint(b)
	if size <= 0 || highest>>63 != 0 {
		return nil, errPositions
	}
	positions := make([]uint64, n)
	for i := range positions {
		b = b[size:]
		var distance uint64
		if distance, size = binary.Uvarint(b); size <= 0 || distance > highest {
			return nil, errPositions
		}
		positions[i] = highest - distance
	}
	if len(b) != size || FormatPositions(positions) != id {
		return nil, errPositions
	}
	return positions, nil
}

// videoSpan is the comments of one live video in a frame of several.
type videoSpan struct {
	video           string
	firstID, lastID uint64
}

func spansOf(events []ringEvent) (spans []videoSpan) {
	for _, e := range events {
		if !e.deletes && e.event != nil {
			spans = mergeSpans(spans, []videoSpan{{e.video, e.id, e.id}})
		}
	}
	return spans
}

// mergeSpans widens spans by others that come after them.
func mergeSpans(spans, later []videoSpan) []videoSpan {
	for _, s := range later {
		i := slices.IndexFunc(spans, func(have videoSpan) bool { return have.video == s.video })
		if i < 0 {
			spans = append(spans, s)
		} else {
			spans[i].lastID = s.lastID
		}
	}
	return spans
}
