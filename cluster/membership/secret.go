package membership

import (
	"context"
)

// secretKey is where the nodes of a cluster keep the secret that they share.
const secretKey = "jwt-secret"

// Secret answers the secret that all nodes of a cluster share: the one in
// Consul, or own if there was none. It waits until Consul answers, or ctx ends.
func Secret(ctx context.Context, config Config, own []byte) ([]byte, error) {
	config = config.withDefaults()
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	defer c.close()
	outage := outage{log: config.Log, what: "reading the cluster's secret from Consul"}
	for {
		attempt, cancel := context.WithTimeout(ctx, config.FailureTimeout)
		secret, err := c.secret(attempt, own)
		cancel()
		if err == nil {
			outage.over()
			return secret, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		outage.failed(err)
		if !pause(ctx, jitter(config.beat())) {
			return nil, context.Cause(ctx)
		}
	}
}

func (c *client) secret(ctx context.Context, own []byte) ([]byte, error) {
	prefix := c.service + "/"
	for {
		found, err := c.list(ctx, prefix+secretKey)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 && len(found[0].value) > 0 {
			return found[0].value, nil
		}
		if done, err := c.put(ctx, prefix+secretKey, own, 0); err != nil || done {
			return own, err
		} // another node was first
	}
}
