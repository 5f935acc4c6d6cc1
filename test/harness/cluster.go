package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"barrage/test/netns"
	"barrage/test/servers"
)

// ConsulHost is the network's host that Consul runs on; the others are nodes'.
const ConsulHost = "consul"

// ClusterOptions are what a cluster is made of.
type ClusterOptions struct {
	Nodes      int                 // 0: 3
	Consul     *servers.Consul     // nil: one that goes with the test
	ClickHouse *servers.ClickHouse // nil: history is in the embedded stores
	Replicas   int                 // 0: 2
	Netns      *netns.Network      // nil: all on loopback. Otherwise its hosts, but ConsulHost, are a node's each.
	TLS        bool                // nodes speak mutual TLS; otherwise in the clear
	Flags      []string            // of all nodes
	LogDir     string              // folder for logs, node-1.log and so on; "": memory
	Binaries   map[int]string      // other builds, by the node's index
}

// Patient has requests wait for the next owner of a live video that dies for as
// long as a machine that stands still meanwhile may need. One that fails is the
// cluster's fault all the same.
const Patient = "--cluster-retry=30s"

// Cluster is Consul and nodes that are its members.
type Cluster struct {
	Nodes  []*Node
	Consul *servers.Consul
	// With TLS: who signed the nodes' certificates, and the folders of each.
	Keys       *Authority
	KeyFolders []string

	t testing.TB
}

// Member is a node as GET /cluster shows it.
type Member struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
	HTTP      string  `json:"http"`
	Weight    float64 `json:"weight"`
	Self      bool    `json:"self"`
	Reachable bool    `json:"reachable"`
}

// Members is what GET /cluster answers.
type Members struct {
	Members  []Member `json:"members"`
	Revision uint64   `json:"revision"`
	Fresh    bool     `json:"fresh"`
	Owner    *Member  `json:"owner"`
}

// Cluster reads what the node knows of the cluster, and who owns a live video
// unless that is "".
func (c *Client) Cluster(ctx context.Context, video string) (Members, error) {
	path := "/cluster"
	if video != "" {
		path += "?" + url.Values{"liveVideoId": {video}}.Encode()
	}
	var m Members
	err := c.read(ctx, http.MethodGet, path, nil, nil, &m)
	return m, err
}

// StartCluster starts a cluster and waits until all nodes see each other.
func StartCluster(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	c := NewCluster(t, o)
	for _, n := range c.Nodes {
		n.Launch()
	}
	c.WaitWhole()
	return c
}

// NewCluster starts Consul and prepares nodes without starting them.
func NewCluster(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	if o.Replicas == 0 {
		o.Replicas = 2
	}
	hosts := nodeHosts(o.Netns)
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Netns != nil && len(hosts) < o.Nodes {
		t.Fatalf("%d hosts for %d nodes", len(hosts), o.Nodes)
	}
	c := &Cluster{Consul: o.Consul, t: t}
	if c.Consul == nil {
		c.Consul = startConsul(t, o.Netns)
	}
	if o.TLS {
		c.Keys = NewAuthority(t)
	}
	secret := uuid.NewString()
	for i := range o.Nodes {
		options := []Option{JWTSecret(secret), Flags("--consul", c.Consul.Addr(), "--replicas", fmt.Sprint(o.Replicas))}
		address := ""
		if hosts != nil {
			address = net.JoinHostPort(hosts[i].Addr(), "7000")
			options = append(options, On(hosts[i]))
		} else {
			address = freeAddr(t)
		}
		options = append(options, Flags("--advertise", address))
		switch {
		case o.TLS:
			ip, _, _ := net.SplitHostPort(address)
			c.KeyFolders = append(c.KeyFolders, t.TempDir())
			files := c.Keys.Issue(t, ip, c.KeyFolders[i])
			options = append(options, Flags(files.Flags()...))
		case hosts != nil:
			options = append(options, Flags("--insecure-cluster"))
		}
		if o.ClickHouse != nil {
			if hosts != nil {
				forward(t, hosts[i], o.ClickHouse.Addr())
			}
			options = append(options, Flags("--clickhouse", o.ClickHouse.DSN("barrage")))
		}
		if token := c.Consul.Token(); token != "" {
			options = append(options, Env("BARRAGE_CLUSTER_CONSUL_TOKEN="+token))
		}
		if ca := c.Consul.CAFile(); ca != "" {
			options = append(options, Flags("--cluster-consul-ca-file", ca))
		}
		if o.LogDir != "" {
			options = append(options, LogFile(filepath.Join(o.LogDir, fmt.Sprintf("node-%d.log", i+1))))
		}
		if path := o.Binaries[i]; path != "" {
			options = append(options, OtherBinary(path))
		}
		c.Nodes = append(c.Nodes, New(t, append(options, Flags(o.Flags...))...))
	}
	return c
}

func nodeHosts(network *netns.Network) []*netns.Host {
	if network == nil {
		return nil
	}
	var hosts []*netns.Host
	for _, h := range network.Hosts() {
		if h.Name() != ConsulHost {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func startConsul(t testing.TB, network *netns.Network) *servers.Consul {
	t.Helper()
	if network == nil {
		return servers.StartConsul(t, servers.ConsulOptions{})
	}
	host := network.Host(ConsulHost)
	return servers.StartConsul(t, servers.ConsulOptions{Bind: host.Addr(), Netns: host.Namespace()})
}

// WaitWhole waits until all nodes serve and each sees all.
func (c *Cluster) WaitWhole() {
	c.t.Helper()
	if err := c.Whole(Patience, c.Nodes...); err != nil {
		c.t.Fatal(err)
	}
}

// Whole waits until these nodes serve, and each sees them and no other. The
// error says what lacked when patience was over.
func (c *Cluster) Whole(patience time.Duration, nodes ...*Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range nodes {
		client := n.Anyone()
		err := n.sees(ctx, client, nodes)
		for ; err != nil; err = n.sees(ctx, client, nodes) {
			if !n.Running() {
				return fmt.Errorf("the node at %s has ended: %s", n.Addr, n.cmd.ProcessState)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the node at %s after %s: %w", n.Addr, patience, err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// sees answers nil if the node serves, and reaches these nodes and no others.
func (n *Node) sees(ctx context.Context, client *Client, nodes []*Node) error {
	// Shorter than the whole: a node that was stopped may keep a request.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := client.Ready(ctx); err != nil {
		return err
	}
	m, err := client.Cluster(ctx, "")
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, member := range m.Members {
		if !member.Reachable && !member.Self {
			return fmt.Errorf("it does not reach %s", member.HTTP)
		}
		found[member.HTTP] = true
	}
	for _, other := range nodes {
		if !found[other.Addr] {
			return fmt.Errorf("%s is no member: %+v", other.Addr, m.Members)
		}
	}
	if len(m.Members) != len(nodes) {
		return fmt.Errorf("%d members: %+v", len(m.Members), m.Members)
	}
	return nil
}

// Owner is the node that owns a live video, as another node sees it.
func (c *Cluster) Owner(ctx context.Context, asked *Node, video string) (*Node, error) {
	m, err := asked.Anyone().Cluster(ctx, video)
	if err != nil {
		return nil, err
	}
	if m.Owner == nil {
		return nil, errors.New("GET /cluster names no owner of " + video)
	}
	for _, n := range c.Nodes {
		if n.Addr == m.Owner.HTTP {
			return n, nil
		}
	}
	return nil, fmt.Errorf("the owner of %s is %+v, none of ours", video, *m.Owner)
}

// OwnedBy answers names of live videos that a node owns, n of them.
func (c *Cluster) OwnedBy(t testing.TB, node *Node, prefix string, n int) []string {
	t.Helper()
	var rooms []string
	for i := 0; len(rooms) < n; i++ {
		room := fmt.Sprint(prefix, i)
		owner, err := c.Owner(t.Context(), node, room)
		if err != nil {
			t.Fatal(err)
		}
		if owner == node {
			rooms = append(rooms, room)
		}
		if i > 100*(n+1) {
			t.Fatalf("of %d live videos the node at %s owns %d", i, node.Addr, len(rooms))
		}
	}
	return rooms
}

// Others are all nodes but these.
func (c *Cluster) Others(than ...*Node) []*Node {
	var others []*Node
next:
	for _, n := range c.Nodes {
		for _, o := range than {
			if n == o {
				continue next
			}
		}
		others = append(others, n)
	}
	return others
}
