package membership

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// client is the backend that speaks to a Consul agent.
type client struct {
	consul    *api.Client
	transport *http.Transport
	service   string
	ttl       time.Duration
}

// reapAfter is when Consul forgets an instance that is critical; it takes no
// less.
const reapAfter = time.Minute

func newClient(c Config) (*client, error) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: c.patience(), KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: c.FailureTimeout,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
	}
	config := &api.Config{
		Address: c.Consul.Address, Token: c.Consul.Token, Datacenter: c.Consul.Datacenter, Transport: transport,
		TLSConfig: api.TLSConfig{CAFile: c.Consul.CAFile, CertFile: c.Consul.CertFile, KeyFile: c.Consul.KeyFile},
	}
	if c.Consul.CAFile != "" || c.Consul.CertFile != "" {
		config.Scheme = "https"
	}
	consul, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	return &client{consul, transport, c.Service, c.FailureTimeout}, nil
}

func (c *client) close() { c.transport.CloseIdleConnections() }

func query(ctx context.Context) *api.QueryOptions { return (&api.QueryOptions{}).WithContext(ctx) }
func write(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

func (c *client) instances(ctx context.Context, since uint64, wait time.Duration) ([]instance, uint64, error) {
	options := query(ctx)
	options.WaitIndex, options.WaitTime = since, wait
	entries, meta, err := c.consul.Health().Service(c.service, "", false, options)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the service %s: %w", c.service, err)
	}
	all := make([]instance, 0, len(entries))
	for _, e := range entries {
		if e == nil || e.Service == nil || e.Node == nil {
			continue
		}
		all = append(all, instance{
			id: e.Service.ID, meta: e.Service.Meta, created: e.Service.CreateIndex,
			address: net.JoinHostPort(cmp.Or(e.Service.Address, e.Node.Address), strconv.Itoa(e.Service.Port)),
			health:  healthOf(e.Service.ID, e.Checks),
		})
	}
	return all, meta.LastIndex, nil
}

// hostCheck is Consul's own of each host.
const hostCheck = "serfHealth"

// checkID is the name of an instance's check.
func checkID(id string) string { return "service:" + id }

// healthOf takes nobody's word but that of the node and its host: a check that
// somebody adds to the host, or maintenance, doesn't say that the node is gone.
func healthOf(id string, checks api.HealthChecks) health {
	found := unchecked
	for _, check := range checks {
		switch {
		case check == nil:
		case check.CheckID == hostCheck && check.Status == api.HealthCritical:
			return expired
		case check.CheckID != checkID(id):
		case check.Status != api.HealthCritical:
			found = passing
		case strings.HasPrefix(check.Output, "TTL expired"):
			found = expired
		default:
			// An agent begins with critical checks, and with what they said last.
			found = unheard
		}
	}
	return found
}

func (c *client) list(ctx context.Context, prefix string) ([]pair, error) {
	found, _, err := c.consul.KV().List(prefix, query(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading keys at %s: %w", prefix, err)
	}
	pairs := make([]pair, 0, len(found))
	for _, p := range found {
		pairs = append(pairs, pair{strings.TrimPrefix(p.Key, prefix), p.Value, p.ModifyIndex})
	}
	return pairs, nil
}

func (c *client) put(ctx context.Context, key string, value []byte, at uint64) (bool, error) {
	done, _, err := c.consul.KV().CAS(&api.KVPair{Key: key, Value: value, ModifyIndex: at}, write(ctx))
	if err != nil {
		return false, fmt.Errorf("writing the key %s: %w", key, err)
	}
	return done, nil
}

func (c *client) remove(ctx context.Context, key string) error {
	if _, err := c.consul.KV().Delete(key, write(ctx)); err != nil {
		return fmt.Errorf("deleting the key %s: %w", key, err)
	}
	return nil
}

// httpSuffix names the service, and its instances, that balancers ask for.
const httpSuffix = "-http"

// register has the HTTP address before the member: the others count who is
// registered as one, also where the node then goes no further.
func (c *client) register(ctx context.Context, m Member) error {
	if m.HTTP != "" {
		id := m.ID + httpSuffix
		err := c.registerOne(ctx, id, c.service+httpSuffix, m.HTTP, m, &api.AgentServiceCheck{
			CheckID: checkID(id), Name: "as " + m.ID, AliasService: m.ID, Status: api.HealthPassing,
			DeregisterCriticalServiceAfter: reapAfter.String(),
		})
		if err != nil {
			return err
		}
	}
	return c.registerOne(ctx, m.ID, c.service, m.Address, m, &api.AgentServiceCheck{
		CheckID: checkID(m.ID), Name: "updated by the node", TTL: c.ttl.String(), Status: api.HealthPassing,
		DeregisterCriticalServiceAfter: reapAfter.String(),
	})
}

func (c *client) registerOne(ctx context.Context, id, service, address string, m Member, check *api.AgentServiceCheck) error {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("port of %s: %w", address, err)
	}
	// Consul's weights are whole numbers from 1 to 65535; DNS SRV shows them.
	weight := int(min(max(m.Weight*100, 1), 65535))
	err = c.consul.Agent().ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: id, Name: service, Tags: []string{m.Name}, Address: host, Port: port, Meta: metaOf(m),
		Weights: &api.AgentWeights{Passing: weight, Warning: weight}, Check: check,
	}, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("registering %s: %w", id, err)
	}
	return nil
}

func (c *client) update(ctx context.Context, id string) error {
	// Always the same output: Consul tells other agents only of changes.
	err := c.consul.Agent().UpdateTTLOpts(checkID(id), "", api.HealthPassing, query(ctx))
	if isUnknown(err) {
		return errUnknown
	}
	if err != nil {
		return fmt.Errorf("updating the check of %s: %w", id, err)
	}
	return nil
}

// isUnknown says whether the agent doesn't know what it was asked for. Old
// ones answer 500.
func isUnknown(err error) bool {
	var status api.StatusError
	if !errors.As(err, &status) {
		return false
	}
	return status.Code == http.StatusNotFound || status.Code == http.StatusInternalServerError &&
		(strings.Contains(status.Body, "does not have associated TTL") || strings.Contains(status.Body, "Unknown check") ||
			strings.Contains(status.Body, "Unknown service"))
}

func (c *client) deregister(ctx context.Context, id string) error {
	for _, id := range []string{id + httpSuffix, id} {
		err := c.consul.Agent().ServiceDeregisterOpts(id, query(ctx))
		if err != nil && !isUnknown(err) {
			return fmt.Errorf("deregistering %s: %w", id, err)
		}
	}
	return nil
}
