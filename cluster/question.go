package cluster

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// question is a message that waits for its answer. It is the process that the
// answer is sent to. protoactor's Future is not used: an answer that comes just
// as it is given up is written into it while it is read.
type question struct {
	system  *actor.ActorSystem
	pid     *actor.PID
	answers chan any // the first one
}

// ask sends a message to an actor, here or on another node. The question must be
// ended.
func ask(system *actor.ActorSystem, to *actor.PID, message any) *question {
	q := &question{system: system, answers: make(chan any, 1)}
	q.pid, _ = system.ProcessRegistry.Add(q, "question"+system.ProcessRegistry.NextId()) // of which there is one
	system.Root.RequestWithCustomSender(to, message, q.pid)
	return q
}

// wait gives the answer. The error is actor.ErrDeadLetter if there is nobody who
// could answer, or actor.ErrTimeout.
func (q *question) wait(timeout time.Duration) (any, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case answer := <-q.answers:
		return answered(answer)
	case <-late.C:
		return nil, actor.ErrTimeout
	}
}

func answered(answer any) (any, error) {
	if _, dead := answer.(*actor.DeadLetterResponse); dead {
		return nil, actor.ErrDeadLetter
	}
	return answer, nil
}

func (q *question) end() { q.system.ProcessRegistry.Remove(q.pid) }

// SendUserMessage implements actor.Process.
func (q *question) SendUserMessage(_ *actor.PID, message any) {
	_, answer, _ := actor.UnwrapEnvelope(message)
	select {
	case q.answers <- answer:
	default: // it has one
	}
}

// SendSystemMessage implements actor.Process.
func (q *question) SendSystemMessage(pid *actor.PID, message any) { q.SendUserMessage(pid, message) }

// Stop implements actor.Process.
func (q *question) Stop(*actor.PID) { q.end() }
