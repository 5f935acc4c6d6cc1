package node

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/cluster"
	"barrage/cluster/membership"
	"barrage/httpedge"
	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/datadir"
	"barrage/persistence/records"
	"barrage/persistence/replication"
)

// clustered says whether there may be other nodes.
func (n *node) clustered() bool { return n.cfg.Cluster.Consul != "" }

// shared is the storage of a node in a cluster: its records go to another
// node, too, and those of others come here. It implements cluster.Storage.
type shared struct {
	node     *node
	journal  *replication.Journal
	receiver *replication.Receiver
	joined   atomic.Bool // who the members are is known
}

// share makes the node's journal one that other nodes have copies of.
func (n *node) share() (s *shared, err error) {
	s = &shared{node: n}
	s.receiver = replication.NewReceiver(replication.ReceiverConfig{Local: n.journal, Available: n.journal.Available, Alive: s.alive, Taken: s.taken, Logger: n.log})
	s.journal, err = replication.New(replication.Config{
		Local: n.journal, Available: n.journal.Available, Origin: n.id, Peer: s.peer, Others: s.others, Wanted: n.cfg.Cluster.Replicas > 1,
		Send: s.send, Logger: n.log,
	})
	if err != nil {
		return nil, err
	}
	n.shared = s
	watchCopies(n.registry, s.journal)
	return s, nil
}

// peer is the member that is to have a copy of a live video's records: the
// next one to own it.
func (s *shared) peer(liveVideoID string) string {
	if others := s.others(liveVideoID); len(others) > 0 {
		return others[0]
	}
	return ""
}

// maxOthers is how many members may have copies, one at a time: those that
// would be asked for them.
const maxOthers = 4

// others are the next ones to own a live video, after this node.
func (s *shared) others(liveVideoID string) (ids []string) {
	if s.node.cfg.Cluster.Replicas < 2 {
		return nil
	}
	self, _ := s.node.member.Self()
	for _, m := range s.node.member.View().Rank(liveVideoID, maxOthers+1) {
		if m.Address != self.Address {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// taken tells a live video that this node owns of a record that an owner
// before it has sent late.
func (s *shared) taken(r *records.Record) {
	late := &actors.Straggler{Comment: r.GetCommentPosted().GetComment(), Room: r.GetRoom(), Reactions: r.GetReactionsCounted()}
	if (late.Comment != nil || late.Room != nil || late.Reactions != nil) && s.joined.Load() {
		s.node.member.Local(persistence.LiveVideoOf(r), late)
	}
}

func (s *shared) send(peer string, b replication.Batch) {
	s.node.member.Tell(peer, &wire.Replicate{
		Origin: b.Origin, Session: b.Session, Seq: b.Seq, Records: b.Records, Archived: b.Archived,
	})
}

// Replicate implements cluster.Storage.
func (s *shared) Replicate(from string, m *wire.Replicate, reply func(*wire.Replicated)) {
	b := replication.Batch{Origin: m.Origin, Session: m.Session, Seq: m.Seq, Records: m.Records, Archived: m.Archived}
	s.receiver.Take(from, b, func(a replication.Ack) {
		answer := &wire.Replicated{Session: a.Session, Durable: a.Durable, Next: a.Next}
		if a.Unavailable {
			answer.Fault = &wire.Fault{Code: wire.Code_UNAVAILABLE}
		}
		reply(answer)
	})
}

// Replicated implements cluster.Storage.
func (s *shared) Replicated(member string, m *wire.Replicated) {
	s.journal.Acked(member, replication.Ack{
		Session: m.Session, Durable: m.Durable, Next: m.Next, Unavailable: m.GetFault().GetCode() != wire.Code_OK,
	})
}

// ArchivedBelow implements cluster.Storage.
func (s *shared) ArchivedBelow() uint64 {
	if s.node.archive == nil {
		return 0
	}
	return s.node.archive.archivedBelow()
}

// Confirm implements cluster.Storage.
func (s *shared) Confirm(member string) (all []*wire.Archived) {
	if s.node.archive == nil {
		return nil
	}
	s.journal.Archived(s.node.archive.archivedLSN())
	for _, a := range s.journal.Confirm(member) {
		all = append(all, &wire.Archived{Session: a.Session, Seq: a.Seq})
	}
	return all
}

// Confirmed implements cluster.Storage.
func (s *shared) Confirmed(node string, archived []*wire.Archived) {
	for _, a := range archived {
		s.receiver.Archived(node, a.Session, a.Seq)
	}
}

// MembersJoin implements cluster.Storage.
func (s *shared) MembersJoin(view *membership.View) {
	s.journal.Members(append(peersIn(s.node.member.View()), peersIn(view)...))
}

// MembersChanged implements cluster.Storage.
func (s *shared) MembersChanged(view *membership.View) {
	s.journal.Members(peersIn(view))
	s.receiver.MembersChanged()
}

func peersIn(view *membership.View) (peers []replication.Peer) {
	for _, m := range view.Members {
		peers = append(peers, replication.Peer{Member: m.ID, Node: m.Node})
	}
	return peers
}

// alive says whether the node that a copy is of is a member.
func (s *shared) alive(origin string) bool {
	for _, m := range s.node.member.State().Members {
		if m.Node == origin {
			return true
		}
	}
	return false
}

// State implements clickhouse.Copies.
func (s *shared) State(c *records.Copy) clickhouse.CopyState {
	switch state := s.receiver.State(c); {
	case state == replication.InClickHouse:
		return clickhouse.CopyArchived
	case state == replication.Pending || !s.joined.Load():
		return clickhouse.CopyPending
	}
	return clickhouse.CopyOrphan
}

// Changed implements clickhouse.Copies.
func (s *shared) Changed() <-chan struct{} { return s.receiver.Changed() }

// localBytes bounds the comments in an answer to another node.
const localBytes = 1 << 20

// ReadLocal implements cluster.Storage: it says what is in this node's store.
func (s *shared) ReadLocal(ctx context.Context, m *wire.ReadLocal) *wire.LocalRows {
	answer, err := s.readLocal(ctx, m)
	if err != nil {
		return &wire.LocalRows{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	return answer
}

func (s *shared) readLocal(ctx context.Context, m *wire.ReadLocal) (*wire.LocalRows, error) {
	store, limit := s.node.store, int(min(m.Limit, 1<<16))
	comments, err := store.Comments(ctx, m.LiveVideoId, persistence.Range{
		After: m.After, Before: m.Before, Limit: limit, Desc: m.Desc, Parent: m.ParentId, IDsOnly: m.IdsOnly,
	})
	if err != nil {
		return nil, err
	}
	answer := &wire.LocalRows{}
	bytes := 0
	for i, c := range comments {
		if m.IdsOnly {
			answer.Ids = append(answer.Ids, c.GetId()) // half a megabyte at most
			continue
		}
		encoded, err := proto.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encoding a comment: %w", err)
		}
		if bytes += len(encoded); bytes > localBytes && i > 0 {
			answer.More = true
			comments = comments[:i]
			break
		}
		answer.Comments = append(answer.Comments, encoded)
	}
	// Marks as far as the comments reach.
	from, to := m.After+1, m.Before-1 // of 0: the highest there is
	if n := len(comments); n == limit || answer.More {
		if last := comments[n-1].GetId(); m.Desc {
			from = last
		} else {
			to = last
		}
	}
	deleted, err := store.Deleted(ctx, m.LiveVideoId, from, to)
	if err != nil {
		return nil, err
	}
	for id := range deleted {
		answer.Deleted = append(answer.Deleted, id)
	}
	answer.Floor = store.Floor() // after the reading, so that nothing was trimmed before it
	return answer, nil
}

// ReadReplies implements cluster.Storage.
func (s *shared) ReadReplies(ctx context.Context, m *wire.ReadReplies) *wire.RepliesOf {
	return cluster.AnswerReplies(ctx, s.node.store, m)
}

// ReadAudit implements cluster.Storage.
func (s *shared) ReadAudit(ctx context.Context, m *wire.ReadAudit) *wire.Audit {
	if err := s.node.actors.Settle(ctx); err != nil {
		return &wire.Audit{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	return cluster.AnswerAudit(ctx, s.node.store, m)
}

// join makes the node a member, alone or of a cluster.
func (n *node) join(ctx context.Context) error {
	self := membership.Member{
		ID: n.id, Node: n.id, Name: n.nodeName(), Number: n.number, HTTP: n.cfg.HTTP.Addr, Weight: 1, Version: n.version,
	}
	if !n.clustered() {
		n.member.JoinAlone(self)
		return nil
	}
	k := n.cfg.Cluster
	token := k.ConsulToken
	if k.ConsulTokenFile != "" {
		text, err := os.ReadFile(k.ConsulTokenFile)
		if err != nil {
			return fmt.Errorf("cluster.consul_token_file: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	http, err := advertisedHTTP(cmp.Or(k.AdvertiseHTTP, n.httpAddr), k.Advertise)
	if err != nil {
		return err
	}
	config := membership.Config{
		Consul: membership.ConsulConfig{
			Address: k.Consul, Token: token, Datacenter: k.ConsulDatacenter,
			CAFile: k.ConsulCAFile, CertFile: k.ConsulCertFile, KeyFile: k.ConsulKeyFile,
		},
		Service: k.Name, Node: n.id, Number: n.number, HTTP: http, Weight: k.Weight, Version: n.version,
		FailureTimeout: k.FailureTimeout, Log: n.log, Renumbered: n.renumber,
	}
	if n.cfg.Auth.JWTSecret == "" {
		if err := n.shareSecret(ctx, config); err != nil {
			return err
		}
	}
	joined, err := n.member.JoinConsul(ctx, config)
	if err != nil {
		return err
	}
	n.renumber(joined.Number)
	return nil
}

// advertisedHTTP is where balancers reach HTTP at an address: one that stands
// for all of the machine's has the host at which the other nodes reach it.
func advertisedHTTP(http, advertise string) (string, error) {
	host, port, err := net.SplitHostPort(http)
	if err != nil {
		return "", fmt.Errorf("the address of HTTP for balancers: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return http, nil
	}
	if host, _, err = net.SplitHostPort(advertise); err != nil {
		return "", fmt.Errorf("cluster.advertise: %w", err)
	}
	return net.JoinHostPort(host, port), nil
}

// shareSecret has the node use the secret that the cluster's nodes share.
func (n *node) shareSecret(ctx context.Context, config membership.Config) (err error) {
	if n.secret, err = membership.Secret(ctx, config, n.secret); err != nil {
		return fmt.Errorf("the cluster's secret: %w", err)
	}
	// For `barrage token`, and for who starts after Consul has lost it.
	return datadir.SetSecret(n.cfg.Data, n.secret)
}

// renumber has the node go on under a number that the cluster gave it.
func (n *node) renumber(number int) {
	n.ids.Renumber(number)
	if err := datadir.SetNodeNumber(n.cfg.Data, number); err != nil {
		n.log.Warn("keeping the node's number", "error", err)
	}
}

// nodeName is the node's name, for people.
func (n *node) nodeName() string {
	if n.member != nil {
		if self, ok := n.member.Self(); ok {
			return self.Name
		}
	}
	return n.name
}

// clusterState is the cluster as the edge shows it.
func (n *node) clusterState() httpedge.Cluster {
	return httpedge.Cluster{
		Members: func() httpedge.Members {
			state := n.member.State()
			all := httpedge.Members{Members: []httpedge.Member{}, Revision: state.Revision, Fresh: state.Fresh}
			for _, m := range state.Members {
				all.Members = append(all.Members, memberOf(m))
			}
			return all
		},
		Owner: func(liveVideoID string) (httpedge.Member, bool) {
			owner, ok := n.member.View().Owner(liveVideoID)
			return memberOf(cluster.MemberState{Member: owner}), ok
		},
		Node: n.state,
	}
}

func memberOf(m cluster.MemberState) httpedge.Member {
	return httpedge.Member{
		ID: m.ID, Name: m.Name, Address: m.Address, HTTP: m.HTTP, Weight: m.Weight, Version: m.Version,
		Self: m.Self, Reachable: m.Reachable,
	}
}

// state is how this node is.
func (n *node) state() httpedge.NodeState {
	stats := n.journal.Stats()
	state := httpedge.NodeState{
		Name: n.nodeName(), Version: n.version, Rooms: n.actors.Rooms(), Viewers: n.actors.Streams(),
		Replicas:      httpedge.ReplicasState{Wanted: 1},
		Journal:       httpedge.JournalState{Records: uint64(stats.LastLSN-stats.OldestLSN) + 1, Bytes: stats.Bytes},
		UptimeSeconds: int64(time.Since(n.began).Seconds()),
	}
	if n.shared != nil {
		stats := n.shared.journal.Stats()
		state.Replicas.Wanted = n.cfg.Cluster.Replicas
		state.Replicas.Missing = len(stats.Missing)
		if stats.NoPeer {
			state.Replicas.Missing++
		}
	}
	if n.archive != nil {
		lag := n.archive.lagOfHistory()
		state.ClickHouse = &httpedge.ClickHouseState{LagRecords: lag.Records, LagSeconds: lag.Age.Seconds()}
	}
	return state
}

// peersOf reads the other members' stores, once there are members.
type peersOf struct{ *node }

// Comments implements tiered.Peers.
func (p peersOf) Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, map[uint64]bool, uint64, bool, error) {
	return p.member.Comments(ctx, liveVideoID, r)
}

// Replies implements tiered.Peers.
func (p peersOf) Replies(ctx context.Context, liveVideoID string, parents []uint64, after, before uint64) (map[uint64][]uint64, map[uint64]bool, bool, error) {
	return p.member.Replies(ctx, liveVideoID, parents, after, before)
}

// Audit implements tiered.Peers.
func (p peersOf) Audit(ctx context.Context, liveVideoID string, beforeMs int64, limit int) ([][]*records.RoomEvent, bool, error) {
	return p.member.Audit(ctx, liveVideoID, beforeMs, limit)
}

// CompleteFrom implements tiered.Peers.
func (p peersOf) CompleteFrom() uint64 { return p.member.CompleteFrom() }

// ArchivedBelow implements tiered.Peers.
func (p peersOf) ArchivedBelow() uint64 { return p.member.ArchivedBelow() }
