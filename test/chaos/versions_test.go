//go:build chaos

package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// envPrevious names the commit or tag whose build is the previous one.
const envPrevious = "CHAOS_PREVIOUS"

// TestNodesOfTwoBuildsAreOneCluster upgrades nodes one by one, under load, and
// takes one back: each mixture serves as one build does.
//
// Without CHAOS_PREVIOUS the other build is one of the future: this code, but
// every message between nodes carries a field that this build doesn't know.
func TestNodesOfTwoBuildsAreOneCluster(t *testing.T) {
	dir := t.TempDir()
	older, newer := harness.Binary(t), filepath.Join(dir, "barrage-of-the-future")
	if commit := os.Getenv(envPrevious); commit != "" {
		older, newer = filepath.Join(dir, "barrage-previous"), harness.Binary(t)
		buildCommit(t, commit, older)
	} else {
		buildFuture(t, dir, newer)
	}
	w := newWorld(t, worldOptions{users: 20, binaries: map[int]string{0: older, 1: older, 2: older}})
	c := w.newCrowd()
	for _, change := range []struct {
		node int
		to   string
	}{{0, newer}, {1, newer}, {1, older}, {1, newer}, {2, newer}} {
		time.Sleep(5 * time.Second)
		n := w.cluster.Nodes[change.node]
		w.say("%s becomes %s", nodeName(change.node), filepath.Base(change.to))
		if change.node == 1 { // it is one that dies
			n.Kill()
		} else if status := n.Terminate(); status != 0 {
			t.Errorf("%s ended with status %d", nodeName(change.node), status)
		}
		n.Use(change.to)
		n.Launch()
		w.cluster.WaitWhole()
	}
	time.Sleep(5 * time.Second)
	w.finish(c)
}

// buildCommit builds what a commit has, outside of the work tree.
func buildCommit(t *testing.T, commit, to string) {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	root := moduleRoot(t)
	run(t, root, "git", "worktree", "add", "--detach", tree, commit)
	t.Cleanup(func() { run(t, root, "git", "worktree", "remove", "--force", tree) })
	run(t, tree, "go", "build", "-o", to, "./cmd/barrage")
}

// Where the transport's options are, and what a build of the future adds there.
const (
	transportFile = "cluster/transport.go"
	anOption      = "grpc.WithNoProxy(),"
	anotherOption = anOption + " grpc.WithStreamInterceptor(fromTheFuture),"
)

// future adds a field to each message that is sent to another node.
const future = `package cluster

import (
	"context"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

func fromTheFuture(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := next(ctx, desc, cc, method, options...)
	return futureStream{stream}, err
}

type futureStream struct{ grpc.ClientStream }

func (s futureStream) SendMsg(m any) error {
	if batch := m.(*remote.RemoteMessage).GetMessageBatch(); batch != nil {
		for _, e := range batch.Envelopes {
			e.MessageData = protowire.AppendTag(e.MessageData, 15000, protowire.BytesType)
			e.MessageData = protowire.AppendString(e.MessageData, "what this build does not know")
		}
	}
	return s.ClientStream.SendMsg(m)
}
`

func buildFuture(t *testing.T, dir, to string) {
	t.Helper()
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, transportFile))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), anOption, anotherOption, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %s any more", transportFile, anOption)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range map[string]string{transportFile: changed, "cluster/future.go": future} {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(root, name)] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, root, "go", "build", "-overlay", file, "-o", to, "./cmd/barrage")
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	return filepath.Dir(strings.TrimSpace(run(t, ".", "go", "env", "GOMOD")))
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", fmt.Sprint(name, args), err, out)
	}
	return string(out)
}
