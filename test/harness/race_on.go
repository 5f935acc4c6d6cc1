//go:build race

package harness

const raceDetector = true

// UnderRace says whether the tests and the binary are under the race detector,
// which takes many times the memory.
const UnderRace = raceDetector
