package harness

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Readiness is what GET /readyz answers when the node serves.
type Readiness struct {
	Status  string `json:"status"`
	History *struct {
		Store      string  `json:"store"`
		LagRecords uint64  `json:"lagRecords"`
		LagSeconds float64 `json:"lagSeconds"`
		Warning    string  `json:"warning"`
	} `json:"history"`
}

// Ready reads how the node stands. That it does not serve is an error.
func (c *Client) Ready(ctx context.Context) (Readiness, error) {
	var r Readiness
	err := c.read(ctx, http.MethodGet, "/readyz", nil, nil, &r)
	return r, err
}

// Metric reads a series by its name and, in braces, its labels. One that there
// is not yet is 0.
func (c *Client) Metric(ctx context.Context, series string) (float64, error) {
	answer, err := c.Do(ctx, http.MethodGet, "/metrics", nil, nil)
	if err != nil {
		return 0, err
	}
	if answer.Status != http.StatusOK {
		return 0, answer
	}
	for line := range strings.Lines(string(answer.Body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", series, err)
			}
			return f, nil
		}
	}
	return 0, nil
}
