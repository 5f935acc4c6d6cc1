package actors

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// viewerMailbox is the mailbox of a viewer. There are a million of them, idle
// most of the time, and each gets every frame of its room: so it takes no
// memory while idle, and a message to an idle viewer is handled at once, on
// the sender's goroutine, without passing through a queue.
//
// As in any mailbox, one message is handled at a time, those of a sender in
// the order in which they were sent, and system messages first.
type viewerMailbox struct {
	invoker actor.MessageInvoker
	// viewer is the actor behind invoker. Frames go to it directly: what
	// invoker adds to a message costs more than the message.
	viewer *viewer

	mu        sync.Mutex
	running   bool // some goroutine handles messages
	suspended bool // the actor has failed: only system messages are handled
	user      []any
	system    []any
}

func newViewerMailbox() actor.Mailbox { return &viewerMailbox{} }

// RegisterHandlers implements actor.Mailbox. The invoker is the actor's context.
func (m *viewerMailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
	if context, ok := invoker.(interface{ Actor() actor.Actor }); ok {
		if v, ok := context.Actor().(*viewer); ok {
			m.viewer, v.mailbox = v, m
		}
	}
}

func (m *viewerMailbox) Start() {}

func (m *viewerMailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.user)
}

func (m *viewerMailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if m.running || m.suspended {
		m.user = append(m.user, message)
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.handle(message, false)
	m.drain()
}

func (m *viewerMailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.drain()
}

// drain handles what has come while this goroutine was handling messages.
func (m *viewerMailbox) drain() {
	for {
		message, system, found := m.next()
		if !found {
			return
		}
		m.handle(message, system)
	}
}

// next takes the next message out, or ends the running.
func (m *viewerMailbox) next() (message any, system, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.system) > 0:
		message, m.system = pop(m.system)
		return message, true, true
	case len(m.user) > 0 && !m.suspended:
		message, m.user = pop(m.user)
		return message, false, true
	default:
		m.running = false
		return nil, false, false
	}
}

func pop(queue []any) (any, []any) {
	message := queue[0]
	queue[0] = nil
	if len(queue) == 1 {
		return message, nil
	}
	return message, queue[1:]
}

func (m *viewerMailbox) handle(message any, system bool) {
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, message)
		}
	}()
	if frame, ok := message.(*Frame); ok && m.viewer != nil {
		m.viewer.deliver(frame)
		return
	}
	if !system {
		m.invoker.InvokeUserMessage(message)
		return
	}
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspend(true)
	case *actor.ResumeMailbox:
		m.suspend(false)
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

func (m *viewerMailbox) suspend(suspended bool) {
	m.mu.Lock()
	m.suspended = suspended
	m.mu.Unlock()
}
