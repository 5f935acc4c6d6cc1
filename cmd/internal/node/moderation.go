package node

import (
	"fmt"
	"os"
	"strings"

	"barrage/actors"
	"barrage/httpedge/moderation"
)

// moderate makes what checks texts before they are posted.
func (n *node) moderate() (*moderation.Moderator, error) {
	c := n.cfg.Moderation
	links, err := moderation.ParseAction(c.Links)
	if err != nil {
		return nil, fmt.Errorf("moderation.links: %w", err)
	}
	away, err := moderation.ParseAction(c.WebhookAway)
	if err != nil {
		return nil, fmt.Errorf("moderation.webhook_away: %w", err)
	}
	secret := c.WebhookSecret
	if c.WebhookSecretFile != "" {
		text, err := os.ReadFile(c.WebhookSecretFile)
		if err != nil {
			return nil, fmt.Errorf("moderation.webhook_secret_file: %w", err)
		}
		secret = strings.TrimSpace(string(text))
	}
	return moderation.New(moderation.Config{
		WordsFile: c.WordsFile,
		Links:     moderation.Links{Action: links, Most: c.MaxLinks, Hosts: c.LinkHosts},
		Webhook: moderation.Webhook{
			URL: c.WebhookURL, Secret: secret, Timeout: c.WebhookTimeout, Away: away, Concurrent: c.WebhookConcurrent,
			Clean: actors.CleanMessage,
		},
		Registry: n.registry, Log: n.log,
	})
}
