package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"barrage/configs"
)

// clusterPatience is how long a node may take to say how it is.
const clusterPatience = 5 * time.Second

func newClusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Look at the cluster of a node",
		Args:  onlyCommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClusterStatusCommand())
	return cmd
}

func newClusterStatusCommand() *cobra.Command {
	var urls []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the members of a cluster and how each of them is",
		Long: `Ask a node which members its cluster has, and each of them how it is. With more
than one --url the first node that answers is asked.

REPLICAS is how many copies of a comment there are to be, and how many nodes that
should take this node's do not. JOURNAL is what is not yet in the history store, CLICKHOUSE
what is not yet there.

The exit status is 1 if something is wrong: a member can't be reached, copies are
missing, or the node has not heard from Consul lately.`,
		Example: `  barrage cluster status
  barrage cluster status --url http://10.0.0.1:8080 --url http://10.0.0.2:8080
  barrage cluster status --json | jq '.members[].node.viewers'`,
		Args: argsAre(0, 0, "no argument"),
	}
	cmd.Flags().StringSliceVar(&urls, "url", nil, "where a node is (or "+configs.EnvURL+"), "+defaultURL+" by default; may be given again")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(urls) == 0 {
			urls = []string{firstOf(os.Getenv(configs.EnvURL), defaultURL)}
		}
		status, err := readClusterStatus(cmd.Context(), urls)
		if err != nil {
			return err
		}
		if asJSON {
			encoder := json.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent("", "  ")
			err = encoder.Encode(status)
		} else {
			err = status.print(cmd.OutOrStdout())
		}
		if n := len(status.Problems); err == nil && n > 0 {
			err = fmt.Errorf("something is wrong with the cluster: %s", counted(uint64(n), "problem"))
		}
		return err
	}
	return cmd
}

// clusterStatus is what is known of a cluster.
type clusterStatus struct {
	Asked    string         `json:"asked"` // URL of the node that named the members
	Revision uint64         `json:"revision"`
	Fresh    bool           `json:"fresh"`
	Members  []memberStatus `json:"members"`
	Problems []string       `json:"problems"` // in words; none: all is well
}

// memberStatus is a member as the asked node sees it, and as it says itself.
type memberStatus struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Address   string      `json:"address"`
	HTTP      string      `json:"http"`
	Weight    float64     `json:"weight"`
	Self      bool        `json:"self"`
	Reachable bool        `json:"reachable"`
	Node      *nodeStatus `json:"node"`            // nil: it did not answer
	Error     string      `json:"error,omitempty"` // why
}

// nodeStatus is the answer of GET /cluster/node.
type nodeStatus struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	State    string `json:"state"` // ready, draining or joining
	Rooms    uint64 `json:"rooms"`
	Viewers  uint64 `json:"viewers"`
	Replicas struct {
		Wanted  int    `json:"wanted"`
		Missing uint64 `json:"missing"`
	} `json:"replicas"`
	Journal struct {
		Records uint64 `json:"records"`
		Bytes   uint64 `json:"bytes"`
	} `json:"journal"`
	ClickHouse *struct {
		LagRecords uint64  `json:"lagRecords"`
		LagSeconds float64 `json:"lagSeconds"`
	} `json:"clickhouse"`
	UptimeSeconds float64 `json:"uptimeSeconds"`
}

// readClusterStatus asks the first node that answers, and then every member.
func readClusterStatus(ctx context.Context, urls []string) (*clusterStatus, error) {
	var bases []*url.URL
	for _, text := range urls {
		base, err := parseNodeURL(text)
		if err != nil {
			return nil, err
		}
		bases = append(bases, base)
	}
	// Connections are to many nodes, and each is asked once.
	transport := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	asker := &http.Client{Transport: transport}
	var failed error
	for _, base := range bases {
		status := &clusterStatus{Asked: base.String(), Problems: []string{}}
		err := askNode(ctx, asker, base, "cluster", status)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", base, err))
			continue
		}
		status.Asked = base.String() // whatever the answer said
		status.askMembers(ctx, asker, base.Scheme)
		status.judge()
		return status, nil
	}
	return nil, failed
}

func (s *clusterStatus) askMembers(ctx context.Context, asker *http.Client, scheme string) {
	var all sync.WaitGroup
	for i := range s.Members {
		all.Go(func() {
			m, node := &s.Members[i], &nodeStatus{}
			m.Node, m.Error = nil, ""
			err := askNode(ctx, asker, &url.URL{Scheme: scheme, Host: m.HTTP}, "cluster/node", node)
			if err == nil {
				m.Node = node
			} else {
				m.Error = err.Error()
			}
		})
	}
	all.Wait()
}

// judge says what is wrong.
func (s *clusterStatus) judge() {
	s.Problems = []string{}
	wrong := func(format string, args ...any) { s.Problems = append(s.Problems, fmt.Sprintf(format, args...)) }
	asked := s.Asked
	for _, m := range s.Members {
		if m.Self {
			asked = m.Name
		}
	}
	if !s.Fresh {
		wrong("%s has not heard from Consul lately: what it says of the members may be old", asked)
	}
	if len(s.Members) == 0 {
		wrong("%s knows no members, not even itself", asked)
	}
	for _, m := range s.Members {
		if !m.Reachable && !m.Self {
			wrong("%s can't be reached by %s", m.Name, asked)
		}
		switch {
		case m.Node == nil:
			wrong("%s does not answer at %s: %s", m.Name, m.HTTP, m.Error)
		case m.Node.Name != m.Name:
			wrong("at the address of %s (%s) answers %s: see cluster.advertise_http", m.Name, m.HTTP, m.Node.Name)
		case m.Node.Replicas.Missing > 0:
			wrong("the copies of %s are not taken by %s", m.Name, counted(m.Node.Replicas.Missing, "node"))
		}
	}
}

// askNode reads a node's answer to a GET.
func askNode(ctx context.Context, asker *http.Client, base *url.URL, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	c := &client{base: base, http: asker}
	req, err := c.request(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	err = c.do(req, answer)
	var refused *problem
	var transport *url.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return errors.New("it knows nothing of a cluster: an older version, or something else")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", clusterPatience)
	case errors.As(err, &transport):
		return transport.Err // without the URL, which is said already
	}
	return err
}
