package cluster

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// placement is the actor that other nodes speak to. It never waits: what takes
// time is done beside it.
type placement struct{ *Member }

// placementName is the placement's name on every node.
const placementName = "barrage"

// answerTimeout bounds the work for another node's question.
const answerTimeout = 5 * time.Second

// Receive handles the messages of other nodes.
func (p *placement) Receive(ctx actor.Context) {
	sender := ctx.Sender()
	if sender != nil {
		p.peers.heardFrom(sender.Address)
	}
	switch m := ctx.Message().(type) {
	case *wire.Activate:
		p.answer(sender, func(context.Context) proto.Message { return p.activate(m) })
	case *wire.Claim:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.claim(ctx, m) })
	case *wire.ListVideos:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.node.ListVideos(ctx, m) })
	case *wire.ReadKey:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.node.AnswerKey(ctx, m) })
	case *wire.ReadLocal:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.storage.ReadLocal(ctx, m) })
	case *wire.ReadReplies:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.storage.ReadReplies(ctx, m) })
	case *wire.ReadAudit:
		p.answer(sender, func(ctx context.Context) proto.Message { return p.storage.ReadAudit(ctx, m) })
	case *wire.Replicate:
		if sender != nil && p.storage != nil {
			p.storage.Replicate(sender.Address, m, func(answer *wire.Replicated) {
				p.system.Root.RequestWithCustomSender(sender, answer, p.pid)
			})
		}
	case *wire.Replicated:
		if sender != nil && p.storage != nil {
			p.storage.Replicated(p.at(sender.Address), m)
		}
	}
}

// answer answers a question when that is found out.
func (p *placement) answer(sender *actor.PID, find func(ctx context.Context) proto.Message) {
	if sender == nil || p.ctx.Err() != nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(p.ctx, answerTimeout)
		defer cancel()
		p.system.Root.Send(sender, find(ctx))
	}()
}

// activate makes this node the owner of a live video, if it is.
func (p *placement) activate(m *wire.Activate) *wire.Activated {
	view := p.View()
	owner, _ := view.Owner(m.LiveVideoId)
	self := p.system.Address()
	switch {
	case !p.owners.Sure():
		return &wire.Activated{Fault: &wire.Fault{Code: wire.Code_MOVED, Detail: "it does not know whether it is a member"}}
	case owner.Address == self:
	case m.Offered && owner.Address == m.From && m.View >= view.Revision, m.View > view.Revision:
		// The asker has seen the change that has not come here yet.
	default:
		return &wire.Activated{Fault: &wire.Fault{Code: wire.Code_MOVED, Owner: owner.Address, Detail: "another node owns it"}}
	}
	offer := ""
	if m.Offered && m.From != self {
		offer = m.From
	}
	return &wire.Activated{Pid: p.lookup.activate(m.LiveVideoId, offer, max(m.View, view.Revision))}
}

// claim gives a live video up to the node that owns it now, and says what is
// known of it here.
func (p *placement) claim(ctx context.Context, m *wire.Claim) *wire.Claimed {
	view := p.View()
	owner, _ := view.Owner(m.LiveVideoId)
	active := p.lookup.local(m.LiveVideoId)
	mine := owner.Address == p.system.Address()
	if newer := view.Revision > m.View; mine && active != nil && view.Revision >= m.View || newer && owner.Address != m.From && owner.Address != "" {
		return &wire.Claimed{Fault: &wire.Fault{Code: wire.Code_MOVED, Owner: owner.Address}}
	}
	// All at once: one that is only starting may wait for the claimant itself.
	known := p.lookup.known(m.LiveVideoId)
	answers := make(chan *wire.Claimed, len(known))
	for _, pid := range known {
		go func() {
			q := ask(p.system, pid, m)
			defer q.end()
			answer, _ := q.wait(answerTimeout)
			claimed, _ := answer.(*wire.Claimed) // nil: it has ended
			answers <- claimed
		}()
	}
	var earlier []*wire.Claimed
	for range known {
		switch claimed := <-answers; {
		case claimed == nil:
		case claimed.WasOwner:
			p.metrics.offered.Inc()
			p.node.Complete(ctx, m, claimed)
			return claimed
		case claimed.GetFault().GetCode() != wire.Code_OK:
			return claimed
		default:
			earlier = append(earlier, claimed)
		}
	}
	return p.node.AnswerClaim(ctx, m, earlier...)
}
