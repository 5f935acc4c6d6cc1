package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// maxTextBytes is more than the longest message that a node takes.
const maxTextBytes = 64 << 10

type postOptions struct {
	guest, key, replyTo string
	who                 identity
	timeout             time.Duration
}

func newPostCommand() *cobra.Command {
	o := postOptions{who: identity{role: "viewer", ttl: 5 * time.Minute}}
	cmd := &cobra.Command{
		Use:   "post VIDEO TEXT",
		Short: "Post a comment",
		Long: `Post a comment to a live video and print its id. TEXT - reads the comment from
standard input. While the node is busy or away it is tried again, always as the
same comment: it is posted once.

Who posts: --guest NAME asks the node for a guest token (its auth.guest must be
on), --user ID signs a token with the node's secret (for the machine that the
node runs on), --token or BARRAGE_TOKEN sends one that you have.`,
		Example: `  barrage post my-show 'Hello!' --guest Ann
  barrage post my-show 'We start in five minutes' --user host --name 'The host'
  date | barrage post my-show - --user clock`,
		Args: argsAre(2, 2, "a live video and a text"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1]) },
	}
	addClientFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.guest, "guest", "", "post as a guest of this name")
	flags.StringVar(&o.who.user, "user", "", "post as the user of this id")
	flags.StringVar(&o.who.name, "name", "", "name shown beside the comment of --user")
	flags.StringVar(&o.replyTo, "reply-to", "", "id of the comment that this one answers")
	flags.StringVar(&o.key, "idempotency-key", "", "key under which it is posted once; a random one by default")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to try")
	addSecretFlags(cmd)
	return cmd
}

func (o *postOptions) run(cmd *cobra.Command, video, text string) error {
	if err := checkLiveVideo(video); err != nil {
		return err
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	if text == "-" {
		if text, err = readText(cmd.InOrStdin()); err != nil {
			return err
		}
	}
	body, err := json.Marshal(struct {
		Message  string `json:"message"`
		ParentID string `json:"parentId,omitempty"`
	}{text, o.replyTo})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	onRetry := func(err error, pause time.Duration) {
		fmt.Fprintf(cmd.ErrOrStderr(), "barrage: %v; trying again in %s\n", err, pause.Round(time.Millisecond))
	}
	if err := o.identify(ctx, cmd, c, onRetry); err != nil {
		return err
	}
	if o.key == "" {
		o.key = newKey()
	}
	var posted comment
	err = persist(ctx, func() error {
		req, err := c.request(ctx, http.MethodPost, "comments/"+video, nil, body)
		if err != nil {
			return err
		}
		req.Header.Set("Idempotency-Key", o.key)
		return c.do(req, &posted)
	}, onRetry)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), harmless(posted.ID))
	return err
}

// identify gives c the token to post with.
func (o *postOptions) identify(ctx context.Context, cmd *cobra.Command, c *client, onRetry func(error, time.Duration)) error {
	switch {
	case o.guest != "" && o.who.user != "":
		return badUsage("--guest and --user can't be given together")
	case o.guest != "":
		return persist(ctx, func() error { return c.becomeGuest(ctx, o.guest) }, onRetry)
	case o.who.user != "":
		if err := o.who.check(); err != nil {
			return err
		}
		var err error
		c.token, err = o.who.token(cmd)
		return err
	case c.token == "":
		return badUsage("who posts? give --guest NAME, --user ID or --token TOKEN")
	}
	return nil
}

// becomeGuest asks the node for a guest's token.
func (c *client) becomeGuest(ctx context.Context, name string) error {
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return err
	}
	req, err := c.request(ctx, http.MethodPost, "guest", url.Values{}, body)
	if err != nil {
		return err
	}
	var guest struct {
		Token string `json:"token"`
	}
	if err := c.do(req, &guest); err != nil {
		return fmt.Errorf("becoming a guest: %w", err)
	}
	c.token = guest.Token
	return nil
}

func readText(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxTextBytes))
	if err != nil {
		return "", fmt.Errorf("reading the comment: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
