package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"barrage/configs"
)

const (
	defaultURL = "http://127.0.0.1:8080"

	// maxAnswerBytes bounds what is read of an answer: 100 comments of 500
	// characters with room to spare.
	maxAnswerBytes = 4 << 20

	// firstPause and maxPause bound the wait before a request is tried again
	// where the node doesn't say when.
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
)

// client talks to a node over HTTP.
type client struct {
	base  *url.URL
	token string // empty: anonymous
	http  *http.Client
}

// comment is a comment as the node shows it.
type comment struct {
	ID          string    `json:"id"`
	LiveVideoID string    `json:"liveVideoId"`
	UserID      string    `json:"userId"`
	UserName    string    `json:"userName"`
	Message     string    `json:"message"`
	ParentID    string    `json:"parentId"`
	CreatedAt   time.Time `json:"createdAt"`
}

// problem is an answer that is an error (RFC 9457).
type problem struct {
	Status     int    `json:"status"`
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	retryAfter time.Duration
}

func (p *problem) Error() string {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	if text == "" {
		text = http.StatusText(p.Status)
	}
	return fmt.Sprintf("the node answered %d: %s", p.Status, harmless(text))
}

// temporary holds for what may go well when tried again.
func (p *problem) temporary() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func addClientFlags(cmd *cobra.Command) {
	cmd.Flags().String("url", "", "where the node is (or "+configs.EnvURL+"), "+defaultURL+" by default")
	cmd.Flags().String("token", "", "token to send (better "+configs.EnvToken+", which other users of the machine can't see)")
}

func newClient(cmd *cobra.Command) (*client, error) {
	base, err := cmd.Flags().GetString("url")
	if err != nil {
		return nil, err
	}
	token, err := cmd.Flags().GetString("token")
	if err != nil {
		return nil, err
	}
	u, err := parseNodeURL(firstOf(base, os.Getenv(configs.EnvURL), defaultURL))
	if err != nil {
		return nil, err
	}
	return &client{base: u, token: firstOf(token, os.Getenv(configs.EnvToken)), http: &http.Client{}}, nil
}

func parseNodeURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, badUsage("%q is not the URL of a node (write it like %s)", text, defaultURL)
	}
	return u, nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

var liveVideoID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func checkLiveVideo(id string) error {
	if !liveVideoID.MatchString(id) {
		return badUsage("%q can't be a live video: 1 to 64 letters, digits, - or _", id)
	}
	return nil
}

// request makes a request for path below the node's URL.
func (c *client) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("User-Agent", "barrage/"+version)
	return req, nil
}

// do sends the request once and reads the answer's JSON into answer.
func (c *client) do(req *http.Request, answer any) error {
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("can't reach the node: %w", err)
	}
	defer res.Body.Close()
	if err := problemOf(res); err != nil {
		return err
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswerBytes)).Decode(answer); err != nil {
		return fmt.Errorf("reading the node's answer: %w", err)
	}
	return nil
}

// problemOf answers nil if res is a success, and what is wrong otherwise.
func problemOf(res *http.Response) error {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	p := &problem{}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(p); err != nil {
		*p = problem{} // no JSON: a proxy's answer; the status says enough
	}
	p.Status = res.StatusCode
	p.retryAfter = parseRetryAfter(res.Header.Get("Retry-After"), time.Now())
	return p
}

// parseRetryAfter reads seconds or an HTTP date; 0 if it is neither.
func parseRetryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// persist calls try until it succeeds, fails for good, or ctx ends. Between
// two calls it waits as long as the node asked for.
func persist(ctx context.Context, try func() error, onRetry func(err error, pause time.Duration)) error {
	pause := firstPause
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait := pause
		var p *problem
		if errors.As(err, &p) {
			if !p.temporary() {
				return err
			}
			wait = max(wait, p.retryAfter)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Now().Add(wait).After(deadline) {
			return fmt.Errorf("gave up: %w", err)
		}
		onRetry(err, wait)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		pause = min(2*pause, maxPause)
	}
}

// newKey makes an Idempotency-Key.
func newKey() string { return rand.Text() }
