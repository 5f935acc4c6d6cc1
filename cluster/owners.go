package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// Owners brings requests to the owners of live videos. It implements
// actors.Owners.
type Owners struct {
	system *actor.ActorSystem
	kind   string
	lookup *lookup
}

const (
	// requestTimeout bounds a request whose context has no deadline.
	requestTimeout = 8 * time.Second
	// firstPause and longestPause are between two tries at a request.
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// Request sends a message to the owner of a live video and gives its answer.
// If the owner certainly has not handled it (it has moved, or is gone), the
// request is sent again until the deadline of ctx. An error wraps
// context.DeadlineExceeded or the error of ctx.
func (o *Owners) Request(ctx context.Context, liveVideoID string, message proto.Message) (proto.Message, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(requestTimeout)
	}
	identity := cluster.NewClusterIdentity(liveVideoID, o.kind)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		pid := o.lookup.Get(identity)
		answer, err := o.system.Root.RequestFuture(pid, message, max(time.Until(deadline), time.Millisecond)).Result()
		switch {
		case err == nil && !moved(answer):
			reply, ok := answer.(proto.Message)
			if !ok {
				return nil, fmt.Errorf("answer %T of the owner of %s is no message", answer, liveVideoID)
			}
			return reply, nil
		case errors.Is(err, actor.ErrTimeout):
			return nil, fmt.Errorf("the owner of %s did not answer: %w", liveVideoID, context.DeadlineExceeded)
		case err != nil: // a dead letter: the activation is gone
			o.lookup.RemovePid(identity, pid)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("asking the owner of %s: %w", liveVideoID, ctx.Err())
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter is no secret
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the owner of %s is not to be had: %w", liveVideoID, context.DeadlineExceeded)
		}
	}
}

// moved says whether an answer is that the asked one isn't the owner.
func moved(answer any) bool {
	faulty, ok := answer.(interface{ GetFault() *wire.Fault })
	return ok && faulty.GetFault().GetCode() == wire.Code_MOVED
}

// Release forgets an activation that is about to end; the next request
// starts another.
func (o *Owners) Release(liveVideoID string, activation *actor.PID) {
	o.lookup.RemovePid(cluster.NewClusterIdentity(liveVideoID, o.kind), activation)
}
