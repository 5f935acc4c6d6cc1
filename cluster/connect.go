package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// connectTime is how long a node that can't be connected to is tried, while
// what is sent to it waits: as long as who asks it something does.
const connectTime = tryTimeout

// connections are those that this node has opened to others.
//
// protoactor begins one with the first message to an address. Left to itself it
// gives up when it is refused, sleeps for two seconds over all that is to be
// sent, and then has the connection to that address end, whichever there is by
// then. So here one that is refused is tried on, and one that can't be had
// begins all the same, and ends with the first message: protoactor says so at
// once, and the next message begins another. Nobody but a connection itself
// says that it has ended, once.
type connections struct {
	system *actor.ActorSystem

	mu   sync.Mutex
	open map[string]*connection // by address; those that were answered
}

func newConnections(system *actor.ActorSystem) *connections {
	return &connections{system: system, open: map[string]*connection{}}
}

// begin is a grpc.StreamClientInterceptor.
func (c *connections) begin(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	ending := make(chan struct{})
	s := &connection{all: c, address: conn.Target(), cancel: cancel, ending: ending, end: sync.OnceFunc(func() { close(ending) })}
	s.overdue = time.AfterFunc(connectTime, cancel)
	s.ClientStream, s.failed = streamer(ctx, desc, conn, method, append(options, grpc.WaitForReady(true))...)
	return s, nil
}

// cut ends the connection to an address if it is older than that.
func (c *connections) cut(address string, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.open[address]; s != nil && time.Since(s.since) > age {
		s.cancel()
	}
}

func (c *connections) answered(s *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[s.address] = s
}

func (c *connections) ended(s *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[s.address] == s {
		delete(c.open, s.address)
	}
}

// connection is what this node sends to another. Only the first message is
// answered there.
type connection struct {
	grpc.ClientStream
	all     *connections
	address string
	cancel  context.CancelFunc
	overdue *time.Timer // cancels it if it is not answered

	// These are written before there are two goroutines that use it.
	begun  bool // the first message is answered
	since  time.Time
	failed error // it never was

	end    func()
	ending chan struct{} // closed by end
}

// SendMsg implements grpc.ClientStream.
func (s *connection) SendMsg(m any) error {
	switch {
	case s.failed == nil && s.begun:
		return s.ClientStream.SendMsg(m) //nolint:wrapcheck // protoactor's own
	case s.failed == nil:
		_ = s.ClientStream.SendMsg(m) // RecvMsg has the reason
	case s.begun:
		s.all.refuse(m)
		s.end()
	}
	return nil
}

// refuse tells those who wait for answers that there will be none.
func (c *connections) refuse(m any) {
	message, _ := m.(*remote.RemoteMessage)
	batch := message.GetMessageBatch()
	for _, e := range batch.GetEnvelopes() {
		if e.Sender == 0 {
			continue
		}
		sender := proto.CloneOf(batch.Senders[e.Sender-1])
		sender.RequestId = e.SenderRequestId
		c.system.Root.Send(sender, &actor.DeadLetterResponse{Target: batch.Targets[e.Target]})
	}
}

// RecvMsg implements grpc.ClientStream.
func (s *connection) RecvMsg(m any) error {
	switch {
	case !s.begun:
		s.answer(m)
		return nil
	case s.failed != nil:
		<-s.ending // after protoactor has noted that it began
		return s.failed
	}
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.all.ended(s)
	}
	return err //nolint:wrapcheck // protoactor's own
}

// answer waits for the answer to the first message, and makes one if none
// comes.
func (s *connection) answer(m any) {
	if s.failed == nil {
		s.failed = s.ClientStream.RecvMsg(m)
	}
	s.overdue.Stop()
	s.begun, s.since = true, time.Now()
	if s.failed == nil {
		s.all.answered(s)
	} else if message, ok := m.(*remote.RemoteMessage); ok {
		message.MessageType = &remote.RemoteMessage_ConnectResponse{ConnectResponse: &remote.ConnectResponse{}}
	}
}

// CloseSend implements grpc.ClientStream.
func (s *connection) CloseSend() error {
	if s.failed != nil {
		s.end()
		return nil
	}
	return s.ClientStream.CloseSend() //nolint:wrapcheck // protoactor's own
}
