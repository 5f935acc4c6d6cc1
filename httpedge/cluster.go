package httpedge

import (
	"encoding/json"
	"fmt"

	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// Cluster is the cluster, as /cluster shows it.
type Cluster struct {
	Members func() Members
	// Owner is who owns a live video; false if nobody does.
	Owner func(liveVideoID string) (Member, bool)
	// Node is how this node is.
	Node func() NodeState
}

// Members are those of the cluster.
type Members struct {
	Members []Member `json:"members"`
	// Revision rises with each change of the members. Fresh says that Consul
	// answers.
	Revision uint64 `json:"revision"`
	Fresh    bool   `json:"fresh"`
	Owner    *Owner `json:"owner,omitempty"`
}

// Member is a node.
type Member struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Address   string  `json:"address"` // for other nodes
	HTTP      string  `json:"http"`
	Weight    float64 `json:"weight"`
	Version   string  `json:"version"`
	Self      bool    `json:"self"`
	Reachable bool    `json:"reachable"`
}

// Owner is the node that owns a live video.
type Owner struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	HTTP    string `json:"http"`
}

// NodeState is how a node is.
type NodeState struct {
	Name          string           `json:"name"`
	Version       string           `json:"version"`
	State         string           `json:"state"`
	Rooms         int              `json:"rooms"`
	Viewers       int              `json:"viewers"`
	Replicas      ReplicasState    `json:"replicas"`
	Journal       JournalState     `json:"journal"`
	ClickHouse    *ClickHouseState `json:"clickhouse"`
	UptimeSeconds int64            `json:"uptimeSeconds"`
}

// ReplicasState says on how many nodes comments are to be, and how many nodes
// that should have copies of this one's can't be had.
type ReplicasState struct {
	Wanted  int `json:"wanted"`
	Missing int `json:"missing"`
}

// JournalState is what the journal holds.
type JournalState struct {
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
}

// ClickHouseState is how far ClickHouse is behind.
type ClickHouseState struct {
	LagRecords uint64  `json:"lagRecords"`
	LagSeconds float64 `json:"lagSeconds"`
}

// getCluster answers GET /cluster: the members, and the owner of a live video
// if one is named.
func (e *Edge) getCluster(ctx *fasthttp.RequestCtx) error {
	state := e.backend.Cluster.Members()
	if args := ctx.QueryArgs(); args.Has("liveVideoId") {
		video := string(args.Peek("liveVideoId"))
		if !actors.ValidLiveVideoID(video) {
			return malformed.because("%.70q is not a live video id.", video)
		}
		if owner, ok := e.backend.Cluster.Owner(video); ok {
			state.Owner = &Owner{Name: owner.Name, Address: owner.Address, HTTP: owner.HTTP}
		}
	}
	return answerState(ctx, state)
}

// getNode answers GET /cluster/node: how this node is.
func (e *Edge) getNode(ctx *fasthttp.RequestCtx) error {
	state := e.backend.Cluster.Node()
	if state.State = "ready"; e.draining.Load() {
		state.State = "draining"
	}
	return answerState(ctx, state)
}

func answerState(ctx *fasthttp.RequestCtx, state any) error {
	body, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encoding the state of the cluster: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}
