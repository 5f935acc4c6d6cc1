//go:build !race

package cluster

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/test/harness"
)

// speak opens a connection to a node as another node would.
func speak(t *testing.T, address string) remote.Remoting_ReceiveClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := remote.NewRemotingClient(conn).Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: &remote.ConnectRequest{
		ConnectionType: &remote.ConnectRequest_ServerConnection{ServerConnection: &remote.ServerConnection{SystemId: "stranger", Address: "127.0.0.1:1"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func batch(typeName, target string, data []byte) *remote.RemoteMessage {
	return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: &remote.MessageBatch{
		TypeNames: []string{typeName}, Targets: []*actor.PID{{Id: target}},
		Envelopes: []*remote.MessageEnvelope{{MessageData: data}},
	}}}
}

func TestWhatANodeCanNotReadDoesNoHarm(t *testing.T) {
	c := newTestCluster(t, 2)
	id := ownedBy(t, c.nodes[0], c.nodes...)
	viewer := c.nodes[1].watch(id, actors.ViewerConfig{})
	ping, err := proto.Marshal(&wire.Ping{Member: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string]*remote.RemoteMessage{
		"a type that nobody knows":    batch("barrage.wire.FromTheFuture", placementName, nil),
		"bytes that are no message":   batch("barrage.wire.Claim", placementName, []byte{0xff, 0xff, 0xff}),
		"a type that is not there":    {MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: &remote.MessageBatch{Envelopes: []*remote.MessageEnvelope{{TypeId: 7}}}}},
		"an actor that is not there":  batch("barrage.wire.Claim", "nobody", nil),
		"a stop of nobody":            batch("actor.Stop", "nobody", nil),
		"a request of nobody":         batch("barrage.wire.Activate", placementName, nil),
		"a ping of a stranger":        batch("barrage.wire.Ping", pingName, ping),
		"more than a node ever sends": batch("barrage.wire.Ping", pingName, make([]byte, maxBatchBytes+1)),
	} {
		stream := speak(t, c.nodes[0].address)
		_ = stream.Send(message) // the node may hang up before all of it is sent
		_ = stream.CloseSend()
		for {
			if _, err := stream.Recv(); err != nil {
				break // it has read it, one way or the other
			}
		}
		if _, err := c.nodes[1].post(id, name, ""); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	c.eventually("eight comments", func() bool { return len(viewer.ids()) == 8 })
}

// Any node's certificate is good for that node's address alone, also where that
// is an IP address.
func TestANodesCertificateIsForItsAddress(t *testing.T) {
	authority := harness.NewAuthority(t)
	files := authority.Issue(t, "127.0.0.2", t.TempDir())
	s, err := fileSecurity(Files{CA: files.CA, Cert: files.Cert, Key: files.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _, _ = s.server.ServerHandshake(conn)
			_ = conn.Close()
		}
	}()
	for address, good := range map[string]bool{"127.0.0.2:7946": true, "127.0.0.1:7946": false, "node-2.example:7946": false} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.client.ClientHandshake(t.Context(), address, conn); (err == nil) != good {
			t.Errorf("speaking to %s: %v", address, err)
		}
		_ = conn.Close()
	}
}
