package membership

import (
	"encoding/json"
	"time"
)

// Consul's indexes begin anew when its state is lost. So a Revision has them
// in its low bits, below the epoch: minutes, which are kept in Consul, and made
// anew when they are missing there. Sums of two indexes fit for decades at
// thousands of writes a second, minutes until 2057.
const (
	indexBits = 40
	maxIndex  = 1<<indexBits - 1
	maxEpoch  = 1<<(64-indexBits) - 1
)

var firstEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func revision(epoch, index uint64) uint64 {
	return min(epoch, maxEpoch)<<indexBits | min(index, maxIndex)
}

// epoch is one life of Consul's state.
type epoch struct {
	Epoch uint64 `json:"epoch"`
	Made  int64  `json:"made"` // Unix time in ms, by the clock of who made it
}

// nextEpoch is above one that was known, whatever the clocks say.
func nextEpoch(known uint64, now time.Time) epoch {
	minutes := max(0, int64(now.Sub(firstEpoch)/time.Minute))
	return epoch{max(uint64(minutes), known+1), now.UnixMilli()}
}

func (e epoch) bytes() []byte {
	text, _ := json.Marshal(e) // two numbers
	return text
}

// readEpoch answers epoch 0 for what makes no sense.
func readEpoch(text []byte) (e epoch) {
	if json.Unmarshal(text, &e) != nil || e.Epoch > maxEpoch {
		return epoch{}
	}
	return e
}
