package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/cluster/membership"
)

// Owners brings requests to the owners of live videos. It implements
// actors.Owners.
type Owners struct{ member *Member }

const (
	// requestTimeout bounds a request whose context has no deadline.
	requestTimeout = 8 * time.Second
	// tryTimeout bounds a single try of it: the node may be gone, and nobody
	// says so. An owner takes no post that was sent much longer ago.
	tryTimeout = 2 * time.Second
	// firstPause and longestPause are between two tries at a request.
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// errUnwanted says that the client has gone.
var errUnwanted = errors.New("nobody waits for the answer")

// errMoving says that a try was given up, as somebody else may be the owner.
var errMoving = errors.New("the owner changes")

// Request sends a message to the owner of a live video and gives its answer.
// While the owner changes, or is not to be had, it is sent again until the
// deadline of ctx; a message that changes something then says so, and is
// carried out once. It is not sent for somebody who has gone (actors.Wanted). An
// error wraps context.DeadlineExceeded or the error of ctx, unless it is that.
func (o *Owners) Request(ctx context.Context, liveVideoID string, message proto.Message) (proto.Message, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(requestTimeout)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	hint, began := "", time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		// What nobody waits for must not be done late: its client may have tried
		// elsewhere, also while this process stood still with the request unread.
		if !actors.Wanted(ctx) {
			return nil, fmt.Errorf("asking the owner of %s: %w", liveVideoID, cmp.Or(context.Cause(ctx), errUnwanted))
		}
		answer, err := o.try(ctx, liveVideoID, hint, message, began)
		hint = ""
		if err == nil {
			fault := faultOf(answer)
			if fault.GetCode() != wire.Code_MOVED {
				return answer, nil
			}
			if hint = fault.Owner; hint != "" && pause == firstPause {
				continue // it says whom to ask
			}
		} else if !errors.Is(err, errMoving) {
			message = again(message)
			o.member.metrics.again.Inc()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter is no secret
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the owner of %s is not to be had: %w", liveVideoID, context.Cause(ctx))
		}
	}
}

// try sends a message of a request that began at some time once. With errMoving
// the message was not sent.
func (o *Owners) try(ctx context.Context, liveVideoID, hint string, message proto.Message, began time.Time) (proto.Message, error) {
	changes := o.member.changes()
	pid, err := o.locate(ctx, liveVideoID, hint)
	if err != nil {
		return nil, errMoving
	}
	deadline, _ := ctx.Deadline()
	local := pid.Address == o.member.system.Address()
	timeout := max(min(time.Until(deadline), tryTimeout), time.Millisecond)
	if post, ok := message.(*wire.PostComment); ok {
		post = proto.CloneOf(post)                                                                               // a former try may still be on its way
		post.SentMs, post.WaitedMs = o.member.config.Now().UnixMilli(), uint32(time.Since(began).Milliseconds()) //nolint:gosec // seconds
		message = post
	}
	q := ask(o.member.system, pid, message)
	defer q.end()
	var answer any
	if local {
		answer, err = q.wait(timeout)
	} else {
		answer, err = o.await(q, timeout, liveVideoID, pid.Address, changes)
	}
	if err != nil && local && !errors.Is(err, actor.ErrDeadLetter) {
		return nil, fmt.Errorf("no answer yet: %w", err) // it is there, and slow
	}
	if err != nil {
		// The activation is gone, or its node.
		o.member.lookup.RemovePid(cluster.NewClusterIdentity(liveVideoID, o.member.config.Kind), pid)
		return nil, fmt.Errorf("no answer: %w", err)
	}
	reply, ok := answer.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("answer %T of the owner of %s is no message", answer, liveVideoID)
	}
	// One of this node's that has moved has said so itself. One that is only not
	// sure of it now, goes on: another beside it would be a second owner.
	if !local && faultOf(reply).GetCode() == wire.Code_MOVED {
		o.member.lookup.RemovePid(cluster.NewClusterIdentity(liveVideoID, o.member.config.Kind), pid)
	}
	return reply, nil
}

// await waits for another node's answer, but no longer than that node is the
// owner.
func (o *Owners) await(q *question, timeout time.Duration, liveVideoID, address string, changes <-chan struct{}) (any, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	for {
		select {
		case answer := <-q.answers:
			return answered(answer)
		case <-late.C:
			return nil, actor.ErrTimeout
		case <-changes:
			changes = o.member.changes()
			if o.Owner(liveVideoID) != address {
				return nil, errors.New("the owner was another node")
			}
		}
	}
}

// again has a message say that it may have been carried out before.
func again(message proto.Message) proto.Message {
	switch m := message.(type) {
	case *wire.PostComment:
		if !m.Again {
			m = proto.CloneOf(m)
			m.Again = true
		}
		return m
	case *wire.DeleteComment:
		if !m.Again {
			m = proto.CloneOf(m)
			m.Again = true
		}
		return m
	case *wire.ChangeRoom:
		if !m.Again {
			m = proto.CloneOf(m)
			m.Again = true
		}
		return m
	case *wire.ResolveHeld:
		if !m.Again {
			m = proto.CloneOf(m)
			m.Again = true
		}
		return m
	}
	return message
}

func faultOf(answer proto.Message) *wire.Fault {
	if faulty, ok := answer.(interface{ GetFault() *wire.Fault }); ok {
		return faulty.GetFault()
	}
	return nil
}

// locate gives the activation of a live video at its owner, or at the address
// of a hint.
func (o *Owners) locate(ctx context.Context, liveVideoID, hint string) (*actor.PID, error) {
	m := o.member
	changes := m.changes()
	view := m.View()
	owner, ok := view.Owner(liveVideoID)
	if !ok && hint == "" {
		return nil, errors.New("there is no member")
	}
	address := owner.Address
	if hint != "" {
		address = hint
	}
	if address == m.system.Address() {
		return m.lookup.activate(liveVideoID, "", view.Revision), nil
	}
	if known, ok := m.lookup.elsewhere.Get(liveVideoID); ok && hint == "" && known.member == owner.ID {
		return known.pid, nil
	}
	activate := &wire.Activate{LiveVideoId: liveVideoID, View: view.Revision, From: m.system.Address()}
	timeout := tryTimeout
	if hint != "" {
		// That node is to be asked, whoever the owner is; but it may be gone.
		changes, timeout = nil, doubtfulTimeout
	}
	q, timeout := m.question(ctx, address, activate, timeout)
	defer q.end()
	answer, err := o.await(q, timeout, liveVideoID, address, changes)
	if err != nil {
		return nil, err
	}
	activated, ok := answer.(*wire.Activated)
	if !ok {
		return nil, fmt.Errorf("unexpected answer %T of a node", answer)
	}
	if fault := activated.Fault; fault.GetCode() != wire.Code_OK {
		if fault.Code == wire.Code_MOVED && hint == "" && fault.Owner != "" && fault.Owner != address {
			return o.locate(ctx, liveVideoID, fault.Owner)
		}
		return nil, fmt.Errorf("the node at %s doesn't take it: %s", address, fault.Detail)
	}
	if hint == "" {
		m.lookup.elsewhere.Add(liveVideoID, activation{owner.ID, activated.Pid})
	}
	return activated.Pid, nil
}

// ask sends a message to the placement of the node at an address.
func (m *Member) ask(ctx context.Context, address string, message proto.Message, timeout time.Duration) (proto.Message, error) {
	q, timeout := m.question(ctx, address, message, timeout)
	defer q.end()
	answer, err := q.wait(timeout)
	if err != nil {
		return nil, fmt.Errorf("asking the node at %s: %w", address, err)
	}
	reply, ok := answer.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("answer %T of the node at %s is no message", answer, address)
	}
	return reply, nil
}

// question asks the placement of a node, and says how long to wait: no longer
// than ctx allows.
func (m *Member) question(ctx context.Context, address string, message proto.Message, timeout time.Duration) (*question, time.Duration) {
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	return ask(m.system, actor.NewPID(address, placementName), message), max(timeout, time.Millisecond)
}

// Tell sends a message to the placement of a member.
func (m *Member) Tell(member string, message proto.Message) {
	joined := m.members.Load()
	if joined == nil {
		return
	}
	if to, ok := (*joined).View().Find(member); ok {
		m.system.Root.RequestWithCustomSender(actor.NewPID(to.Address, placementName), message, m.pid)
	}
}

// at gives the id of the member at an address, or "".
func (m *Member) at(address string) string {
	joined := m.members.Load()
	if joined == nil {
		return ""
	}
	for _, member := range (*joined).View().Members {
		if member.Address == address {
			return member.ID
		}
	}
	return ""
}

// Ask implements actors.Owners.
func (o *Owners) Ask(ctx context.Context, address string, message proto.Message) (proto.Message, error) {
	if !o.Member(address) {
		return nil, fmt.Errorf("the node at %s is no member any more", address)
	}
	timeout := claimTimeout
	if !o.member.peers.wellAt(address) {
		timeout = doubtfulTimeout
	}
	return o.member.ask(ctx, address, message, timeout)
}

// AskAll implements actors.Owners.
func (o *Owners) AskAll(ctx context.Context, message proto.Message) []proto.Message {
	var mu sync.Mutex
	var answers []proto.Message
	var wg sync.WaitGroup
	for _, m := range o.member.View().Members {
		if m.Address == o.member.system.Address() {
			continue
		}
		wg.Go(func() {
			answer, err := o.Ask(ctx, m.Address, message)
			if err != nil {
				o.member.log.Debug("another node can't be asked", "node", m.Name, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, answer)
		})
	}
	wg.Wait()
	return answers
}

const (
	// claimants is how many of a live video's rendezvous order are asked by a
	// new owner: each may have been the owner before, or have its copies.
	claimants = 5
	// claimTimeout is how long a node may take to give a live video up, and
	// claimTries how often it is asked; doubtfulTimeout is for one that has
	// not answered lately.
	claimTimeout    = time.Second
	claimTries      = 2
	doubtfulTimeout = 300 * time.Millisecond
)

// Claim implements actors.Owners.
func (o *Owners) Claim(ctx context.Context, claim *wire.Claim, from ...string) ([]actors.Claimed, error) {
	self := o.member.system.Address()
	addresses := append([]string(nil), from...)
	for _, m := range o.member.View().Rank(claim.LiveVideoId, claimants+1) {
		if m.Address != self && len(addresses) < claimants+len(from) {
			addresses = append(addresses, m.Address)
		}
	}
	if previous := o.member.previousOwner(claim.LiveVideoId); previous != "" {
		addresses = append(addresses, previous)
	}
	return o.ClaimFrom(ctx, claim, addresses...)
}

// ClaimFrom implements actors.Owners.
func (o *Owners) ClaimFrom(ctx context.Context, claim *wire.Claim, from ...string) ([]actors.Claimed, error) {
	claim.From = o.member.system.Address()
	// A view in which another node is the owner is none to claim it by.
	if view := o.member.View(); view.Revision > claim.View {
		if owner, _ := view.Owner(claim.LiveVideoId); owner.Address == claim.From {
			claim.View = view.Revision
		}
	}
	asked := map[string]bool{claim.From: true}
	var mu sync.Mutex
	var all []actors.Claimed
	var moved *actors.ErrMoved
	var wg sync.WaitGroup
	for _, address := range from {
		if asked[address] {
			continue
		}
		asked[address] = true
		wg.Go(func() {
			claimed := o.claimAt(ctx, address, claim)
			mu.Lock()
			defer mu.Unlock()
			if claimed.GetFault().GetCode() == wire.Code_MOVED {
				moved = &actors.ErrMoved{Owner: claimed.Fault.Owner}
				return
			}
			all = append(all, actors.Claimed{Address: address, Claimed: claimed})
		})
	}
	wg.Wait()
	if len(asked) > 1 {
		o.member.metrics.claimed.Inc()
	}
	if moved != nil {
		return all, moved
	}
	return all, ctx.Err()
}

// claimAt asks one node. A fault says that it can't be reached, or does not
// know.
func (o *Owners) claimAt(ctx context.Context, address string, claim *wire.Claim) *wire.Claimed {
	tries, timeout := claimTries, claimTimeout
	if !o.member.peers.wellAt(address) {
		tries, timeout = 1, doubtfulTimeout
	}
	for range tries {
		answer, err := o.member.ask(ctx, address, claim, timeout)
		if claimed, ok := answer.(*wire.Claimed); ok && err == nil {
			return claimed
		}
	}
	o.member.log.Warn("a node does not say what it knows of a live video", "node", address, "liveVideoId", claim.LiveVideoId)
	return &wire.Claimed{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "no answer"}}
}

// Member implements actors.Owners.
func (o *Owners) Member(address string) bool {
	return slices.ContainsFunc(o.member.View().Members, func(m membership.Member) bool { return m.Address == address })
}

// Owner implements actors.Owners.
func (o *Owners) Owner(liveVideoID string) string {
	owner, _ := o.member.View().Owner(liveVideoID)
	return owner.Address
}

// Partial implements actors.Owners.
func (o *Owners) Partial() bool { return o.member.Partial() }

// Sure implements actors.Owners.
func (o *Owners) Sure() bool {
	joined := o.member.members.Load()
	return joined != nil && (*joined).Sure()
}

// Release forgets an activation that is about to end; the next request
// starts another.
func (o *Owners) Release(liveVideoID string, activation *actor.PID) {
	o.member.lookup.RemovePid(cluster.NewClusterIdentity(liveVideoID, o.member.config.Kind), activation)
	o.member.lookup.retire(liveVideoID, activation)
}
