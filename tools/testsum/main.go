// Command testsum reads the events of `go test -json` from standard input and
// prints a line for each package, the output of what failed, the name and
// reason of what was skipped, and how many tests that were. It fails if a test
// failed, and with -no-skips also if one was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

type summary struct {
	passed, failed, skipped int

	out      io.Writer
	outputs  map[string]*strings.Builder // of tests that run, by package and name
	failedIn map[string]bool             // packages with a failed test
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, outputs: map[string]*strings.Builder{}, failedIn: map[string]bool{}}
}

func main() {
	noSkips := flag.Bool("no-skips", false, "fail if a test was skipped")
	counts := flag.String("counts", "", "file to which a line `passed failed skipped` is added")
	flag.Parse()
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	if *counts != "" {
		if err := s.note(*counts); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(1)
		}
	}
	if s.failed > 0 || *noSkips && s.skipped > 0 {
		os.Exit(1)
	}
}

func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				fmt.Fprint(s.out, line) // not of a test: what the go command says
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	id := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if s.outputs[id] == nil {
			s.outputs[id] = new(strings.Builder)
		}
		s.outputs[id].WriteString(e.Output)
	case "pass", "fail", "skip":
		s.end(e, id)
		delete(s.outputs, id)
	}
}

// end takes the end of a test, or of a package where e.Test is empty.
func (s *summary) end(e event, id string) {
	output := ""
	if s.outputs[id] != nil {
		output = s.outputs[id].String()
	}
	if e.Test == "" {
		switch {
		case e.Action == "fail":
			s.unended(e.Package)
			fmt.Fprint(s.out, output)
			fmt.Fprintf(s.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
			if !s.failedIn[e.Package] { // it did not build, or ended before its tests
				s.failed++
			}
		case e.Action == "pass":
			fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
		}
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.failedIn[e.Package] = true
		fmt.Fprint(s.out, output)
	case "skip":
		s.skipped++
		fmt.Fprintf(s.out, "skipped %s %s", e.Package, output)
	}
}

// unended prints what the tests of a package wrote that never came to an end:
// one of them is why the package failed.
func (s *summary) unended(pkg string) {
	for id, output := range s.outputs {
		if test, ok := strings.CutPrefix(id, pkg+" "); ok && test != "" {
			fmt.Fprintf(s.out, "never ended: %s\n%s", test, output)
		}
	}
}

func (s *summary) note(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, s.passed, s.failed, s.skipped); err != nil {
		return err
	}
	return f.Close()
}
