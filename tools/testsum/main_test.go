package main

import (
	"strings"
	"testing"
)

func TestSummaryCountsAndShowsWhatMatters(t *testing.T) {
	in := `go: downloading something
{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"why it failed\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"C","Output":"needs root\n"}
{"Action":"skip","Package":"p","Test":"C"}
{"Action":"fail","Package":"p","Elapsed":1}
{"Action":"build-output","ImportPath":"q","Output":"q.go:1: syntax error\n"}
{"Action":"fail","Package":"q"}
{"Action":"pass","Package":"r","Elapsed":2}
{"Action":"skip","Package":"no tests"}
`
	var out strings.Builder
	s := newSummary(&out)
	if err := s.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if s.passed != 1 || s.failed != 2 || s.skipped != 1 {
		t.Errorf("got %d, %d, %d", s.passed, s.failed, s.skipped)
	}
	want := "go: downloading something\nwhy it failed\nskipped p needs root\nFAIL p 1.0s\nq.go:1: syntax error\nFAIL q 0.0s\nok   r 2.0s\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
