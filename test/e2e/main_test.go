// Package e2e tests the real binary as a black box: it starts nodes, speaks
// HTTP with them, kills them, and compares with what was answered.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"barrage/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// envServers is set where tests may mount file systems (as root).
const envServers = "BARRAGE_SERVERS"

// needsMount skips a test that must mount a file system where that can't be.
func needsMount(t *testing.T) {
	t.Helper()
	if os.Getenv(envServers) == "" || os.Geteuid() != 0 {
		t.Skipf("%s mounts a file system: run it as root with %s=1", t.Name(), envServers)
	}
}

func post(t *testing.T, c *harness.Client, video, message string) harness.Comment {
	t.Helper()
	posted, err := c.Post(t.Context(), video, message, nil)
	if err != nil {
		t.Fatalf("posting to %s: %v", video, err)
	}
	return posted
}

// postMany posts messages "0", "1" and so on.
func postMany(t *testing.T, c *harness.Client, video string, n int) []harness.Comment {
	t.Helper()
	all := make([]harness.Comment, n)
	for i := range all {
		all[i] = post(t, c, video, fmt.Sprint(i))
	}
	return all
}

func do(t *testing.T, c *harness.Client, method, path string, body any, header http.Header) *harness.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	answer, err := c.Do(ctx, method, path, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

func history(t *testing.T, c *harness.Client, video string) []harness.Comment {
	t.Helper()
	all, err := c.All(t.Context(), video)
	if err != nil {
		t.Fatalf("history of %s: %v", video, err)
	}
	return all
}

func video(t *testing.T, c *harness.Client, id string) harness.Video {
	t.Helper()
	v, err := c.Video(t.Context(), id)
	if err != nil {
		t.Fatalf("video %s: %v", id, err)
	}
	return v
}

// expectProblem checks that an answer is a problem of that status, in the form
// of RFC 9457, and answers it.
func expectProblem(t *testing.T, answer *harness.Answer, status int) harness.Problem {
	t.Helper()
	if answer.Status != status {
		t.Errorf("got %v, want status %d", answer, status)
	}
	p, err := readProblem(answer)
	if err != nil {
		t.Error(err)
	}
	if want := problemTypes[status]; want != "" && p.Type != want {
		t.Errorf("status %d: type %q, want %q", status, p.Type, want)
	}
	return p
}

func readProblem(answer *harness.Answer) (harness.Problem, error) {
	var p harness.Problem
	if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
		return p, fmt.Errorf("status %d: content type %q", answer.Status, got)
	}
	if err := json.Unmarshal(answer.Body, &p); err != nil {
		return p, fmt.Errorf("status %d: %w in %.300q", answer.Status, err, answer.Body)
	}
	if p.Type == "" || p.Title == "" || p.Status != answer.Status {
		return p, fmt.Errorf("status %d: the problem lacks something: %s", answer.Status, answer.Body)
	}
	return p, nil
}

// openedStream opens a stream and reads its retry line: from then on the viewer
// is in the room.
func openedStream(t *testing.T, n *harness.Node, c *harness.Client, video, query string, header http.Header) *harness.Stream {
	t.Helper()
	s := n.Stream(t, c, video, query, header)
	e, err := s.Next()
	if err != nil || e.Kind != harness.KindRetry {
		t.Fatalf("a stream must open with retry: got %+v, %v", e, err)
	}
	return s
}

func messages(comments []harness.Comment) string {
	var texts []string
	for _, c := range comments {
		texts = append(texts, c.Message)
	}
	return strings.Join(texts, " ")
}

// eventually asks until check answers nil, and fails with its last error when
// patience is over.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		if pause(ctx) != nil {
			t.Fatal(err)
		}
	}
}
