package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"barrage/actors/wire"
)

// testVideo answers ReadVideo with its name, after it was released with MOVED,
// and Lease not at all.
type testVideo struct {
	id      string
	started *atomic.Int32
	moved   bool
}

func (v *testVideo) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *cluster.ClusterInit:
		v.id = m.Identity.Identity
		v.started.Add(1)
	case *wire.ReadVideo:
		if v.moved {
			ctx.Respond(&wire.Video{Fault: &wire.Fault{Code: wire.Code_MOVED}})
			return
		}
		ctx.Respond(&wire.Video{Owner: v.id})
	case *wire.ReadRecent:
		panic("as a fault in a live video would")
	case *wire.DeleteComment:
		v.moved = true
		ctx.Respond(&wire.CommentAnswer{})
	}
}

func newTestMember(t *testing.T) (*Member, *atomic.Int32) {
	t.Helper()
	started := &atomic.Int32{}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	m, err := Join(Config{
		System: system, Kind: "video", Log: quiet,
		Props: actor.PropsFromProducer(func() actor.Actor { return &testVideo{started: started} }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Leave)
	return m, started
}

func TestALiveVideoIsActivatedOnce(t *testing.T) {
	m, started := newTestMember(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			answer, err := m.Owners().Request(context.Background(), "v", &wire.ReadVideo{})
			if err != nil || answer.(*wire.Video).Owner != "v" {
				t.Errorf("answer %v, %v", answer, err)
			}
		})
	}
	wg.Wait()
	if n := started.Load(); n != 1 {
		t.Errorf("%d activations", n)
	}
}

func TestARequestFollowsALiveVideoThatMoves(t *testing.T) {
	m, started := newTestMember(t)
	owners := m.Owners()
	if _, err := owners.Request(context.Background(), "v", &wire.DeleteComment{}); err != nil {
		t.Fatal(err)
	}
	old := owners.lookup.Get(cluster.NewClusterIdentity("v", "video"))
	released := make(chan struct{})
	go func() { // usually after the request below has met the old activation
		defer close(released)
		owners.Release("v", old)
	}()
	answer, err := owners.Request(context.Background(), "v", &wire.ReadVideo{})
	<-released
	if err != nil || answer.(*wire.Video).Owner != "v" || started.Load() != 2 {
		t.Errorf("answer %v, %v, of activation %d", answer, err, started.Load())
	}
}

func TestALiveVideoThatFailsIsActivatedAnew(t *testing.T) {
	m, started := newTestMember(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := m.Owners().Request(ctx, "v", &wire.ReadRecent{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request that makes its live video fail ends with %v", err)
	}
	answer, err := m.Owners().Request(context.Background(), "v", &wire.ReadVideo{})
	if err != nil || answer.(*wire.Video).Owner != "v" || started.Load() < 2 {
		t.Errorf("afterwards: %v, %v", answer, err)
	}
}

func TestNobodyElseGetsIntoALoneNode(t *testing.T) {
	m, _ := newTestMember(t)
	address := m.cluster.ActorSystem.Address()
	plain, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	// HTTP/2 without TLS, as protoactor speaks it by default.
	if _, err := io.WriteString(plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if err := plain.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(plain); err != nil && !errors.Is(err, net.ErrClosed) && len(answer) > 7 {
		t.Errorf("a client without TLS is answered %q, %v", answer, err)
	}
	// With TLS, but a certificate of its own.
	stranger, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	config := stranger.client()
	config.InsecureSkipVerify = true // the stranger would not mind
	conn, err := tls.Dial("tcp", address, config)
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // TLS 1.3 tells a client of its refusal with the first read
		_ = conn.Close()
	}
	if err == nil {
		t.Error("a client with another certificate gets in")
	}
}
