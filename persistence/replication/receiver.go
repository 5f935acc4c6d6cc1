package replication

import (
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

const (
	// DefaultSilence is many pings.
	DefaultSilence = time.Minute
	// Sessions are remembered for so long, and so many.
	sessionMemory = time.Hour
	maxSessions   = 1024
)

// State is who brings a copy to ClickHouse.
type State int

const (
	// Unknown is nobody who could be asked; whoever has the copy has to. So it is
	// when the origin is no member, and when it has not mentioned the session
	// for a while, since it was started anew.
	Unknown State = iota
	// Pending is the origin, which will.
	Pending
	// InClickHouse says that it is there.
	InClickHouse
)

// ReceiverConfig wires a Receiver.
type ReceiverConfig struct {
	Local persistence.Journal
	// Available says whether Local takes records now; it must be quick. nil:
	// always.
	Available func() bool
	// Alive says whether a node is a member now. nil: all are.
	Alive func(origin string) bool
	// Taken is told of each record that is taken, before it is durable; it must
	// not block. nil: nobody.
	Taken func(record *records.Record)
	// Silence is how long the origin may not mention a session; one minute.
	Silence time.Duration
	Logger  *slog.Logger
}

// Receiver takes other nodes' records into the local journal. Its methods may
// be called from any goroutine.
type Receiver struct {
	cfg     ReceiverConfig
	started time.Time

	mu       sync.Mutex
	sessions map[sessionKey]*heard
	changed  chan struct{} // closed, and replaced, when a State may have changed
}

type sessionKey struct {
	origin  string
	session uint64
}

// heard is a session of another node.
type heard struct {
	taking sync.Mutex // one batch at a time; taken before Receiver.mu

	// Guarded by Receiver.mu.
	at       time.Time
	archived uint64
	intake   *intake // nil: nothing was received, or what was is not all kept
}

// intake is the sink of a session's records.
type intake struct {
	r       *Receiver
	s       *heard
	session uint64

	// Guarded by Receiver.mu.
	next    uint64 // the record that is expected
	durable uint64
	reply   func(Ack) // the newest, as older ones' connections may be gone
}

// NewReceiver makes a receiver that has heard of no session.
func NewReceiver(cfg ReceiverConfig) *Receiver {
	if cfg.Available == nil {
		cfg.Available = func() bool { return true }
	}
	if cfg.Alive == nil {
		cfg.Alive = func(string) bool { return true }
	}
	if cfg.Silence == 0 {
		cfg.Silence = DefaultSilence
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Receiver{cfg: cfg, started: time.Now(), sessions: map[sessionKey]*heard{}, changed: make(chan struct{})}
}

// Take appends what is next of a stream, and replies when that is durable; at
// once if there is nothing new in the batch, or it can't be taken. reply may be
// called several times, also after Take has returned, and must not block.
// Batches of one connection must be taken in order.
func (r *Receiver) Take(from string, b Batch, reply func(Ack)) {
	if b.Seq == 0 || b.Session == 0 {
		return
	}
	r.Archived(b.Origin, b.Session, b.Archived)
	s := r.find(b.Origin, b.Session)
	s.taking.Lock()
	defer s.taking.Unlock()
	in, a := r.begin(s, b, reply)
	if in == nil {
		reply(a)
		return
	}
	skip := in.next - b.Seq // next only changes with taking held
	for i := skip; i < uint64(len(b.Records)); i++ {
		record := new(records.Record)
		err := proto.Unmarshal(b.Records[i], record)
		if err == nil {
			if !Revokes(record) {
				record.Copy = &records.Copy{Origin: b.Origin, Session: b.Session, Seq: b.Seq + i}
			}
			r.expect(in, b.Seq+i+1)
			err = r.cfg.Local.Append(record, in)
		}
		if err == nil && r.cfg.Taken != nil {
			r.cfg.Taken(record)
		}
		if err != nil {
			r.cfg.Logger.Warn("replication: a copy can't be taken", "from", from, "error", err)
			r.expect(in, b.Seq+i)
			reply(r.refused(in))
			return
		}
	}
}

// begin answers what a batch is to be added to, or what to reply.
func (r *Receiver) begin(s *heard, b Batch, reply func(Ack)) (*intake, Ack) {
	available := r.cfg.Available()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.intake == nil {
		switch {
		case !available:
			return nil, Ack{Session: b.Session, Unavailable: true}
		case b.Seq != 1:
			return nil, Ack{Session: b.Session, Next: 1}
		}
		s.intake = &intake{r: r, s: s, session: b.Session, next: 1}
	}
	in := s.intake
	in.reply = reply
	a := Ack{Session: b.Session, Durable: in.durable}
	switch {
	case b.Seq > in.next:
		a.Next = in.next
		return nil, a
	case !available:
		a.Unavailable = true
		return nil, a
	case b.Seq+uint64(len(b.Records)) <= in.next:
		return nil, a
	}
	return in, a
}

func (r *Receiver) expect(in *intake, next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.next = next
}

func (r *Receiver) refused(in *intake) Ack {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Ack{Session: in.session, Durable: in.durable, Unavailable: true}
}

// Durable implements persistence.Sink.
func (in *intake) Durable(n int, _ persistence.LSN, err error) {
	r := in.r
	r.mu.Lock()
	if in.s.intake != in {
		r.mu.Unlock()
		return // after a loss, what comes later does not count
	}
	if err == nil {
		in.durable += uint64(n)
	} else {
		in.s.intake = nil
	}
	a, reply := Ack{Session: in.session, Durable: in.durable, Unavailable: err != nil}, in.reply
	r.mu.Unlock()
	reply(a)
}

// find answers a session, which has been heard of now.
func (r *Receiver) find(origin string, session uint64) *heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.know(origin, session)
}

// know is called with mu held.
func (r *Receiver) know(origin string, session uint64) *heard {
	now, key := time.Now(), sessionKey{origin, session}
	s := r.sessions[key]
	if s == nil {
		r.makeRoom(now)
		s = &heard{}
		r.sessions[key] = s
		r.tell()
	}
	s.at = now
	return s
}

// makeRoom forgets what is old, and what is too much. It is called with mu
// held.
func (r *Receiver) makeRoom(now time.Time) {
	var oldest sessionKey
	var at time.Time
	for k, s := range r.sessions {
		if now.Sub(s.at) > sessionMemory {
			delete(r.sessions, k)
			continue
		}
		if at.IsZero() || s.at.Before(at) {
			oldest, at = k, s.at
		}
	}
	if len(r.sessions) >= maxSessions {
		delete(r.sessions, oldest)
	}
}

// Archived takes what a Ping says of a session.
func (r *Receiver) Archived(origin string, session, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.know(origin, session); seq > s.archived {
		s.archived = seq
		r.tell()
	}
}

// State says what is to be done with a copy that is in the local journal. Ask
// again when Changed says so, and once in a while: nobody tells of silence.
func (r *Receiver) State(c *records.Copy) State {
	alive := r.cfg.Alive(c.GetOrigin())
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	s := r.sessions[sessionKey{c.GetOrigin(), c.GetSession()}]
	last := r.started // just started, this node has not been told much yet
	if s != nil {
		if c.GetSeq() <= s.archived {
			return InClickHouse
		}
		last = s.at
	}
	if !alive || now.Sub(last) > r.cfg.Silence {
		return Unknown
	}
	return Pending
}

// MembersChanged wakes those who wait for Changed.
func (r *Receiver) MembersChanged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell()
}

// Changed answers a channel that is closed when a State may have changed.
func (r *Receiver) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// tell is called with mu held.
func (r *Receiver) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}
