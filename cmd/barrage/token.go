package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"barrage/configs"
)

var roles = []string{"viewer", "moderator", "admin"}

// identity is what a token says of its bearer.
type identity struct {
	user, name, role string
	ttl              time.Duration
	issuer           string   // "": none
	audience         []string // the first is who the token is for
}

func newTokenCommand() *cobra.Command {
	who := identity{role: "viewer"}
	cmd := &cobra.Command{
		Use:   "token --user ID",
		Short: "Make a token for a user",
		Long: `Make a JWT for a user, signed with the secret of a node: the one in the node's
data folder (made when it first starts), or the one it was given.`,
		Example: `  barrage token --user ann
  barrage token --user ops --role admin --ttl 1h --data /var/lib/barrage
  curl -H "Authorization: Bearer $(barrage token --user ann --name 'Ann Lee')" \
    -d '{"message":"Hello"}' -H 'Content-Type: application/json' \
    http://127.0.0.1:8080/comments/my-show`,
		Args: argsAre(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := who.check(); err != nil {
				return err
			}
			token, err := who.token(cmd)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&who.user, "user", "", "user id, becomes the comments' userId (required)")
	flags.StringVar(&who.name, "name", "", "name shown beside comments")
	flags.StringVar(&who.role, "role", "viewer", strings.Join(roles, ", "))
	flags.DurationVar(&who.ttl, "ttl", 24*time.Hour, "how long the token is good for")
	addSecretFlags(cmd)
	return cmd
}

func (who identity) check() error {
	switch {
	case who.user == "":
		return badUsage("--user is missing: the id of the user that the token is for")
	case strings.ContainsFunc(who.user+who.name, unicode.IsControl):
		return badUsage("--user and --name can't have control characters")
	case !slices.Contains(roles, who.role):
		return badUsage("--role %q is not one of %s", who.role, strings.Join(roles, ", "))
	case who.ttl < time.Second:
		return badUsage("--ttl %s is less than a second", who.ttl)
	}
	return nil
}

// token makes a token that the node which cmd's flags describe takes.
func (who identity) token(cmd *cobra.Command) (string, error) {
	cfg, secret, err := signing(cmd)
	if err != nil {
		return "", err
	}
	who.issuer, who.audience = cfg.Auth.Issuer, cfg.Auth.Audience
	return mintToken(secret, who, time.Now())
}

// mintToken signs a token (HS256) that is good from now on.
func mintToken(secret string, who identity, now time.Time) (string, error) {
	claims := jwt.MapClaims{
		"sub":  who.user,
		"role": who.role,
		"iat":  now.Unix(),
		"exp":  now.Add(who.ttl).Unix(),
	}
	if who.name != "" {
		claims["name"] = who.name
	}
	if who.issuer != "" {
		claims["iss"] = who.issuer
	}
	if len(who.audience) > 0 {
		claims["aud"] = who.audience[0]
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("signing the token: %w", err)
	}
	return token, nil
}

func addSecretFlags(cmd *cobra.Command) {
	configs.AddFlags(cmd.Flags(), "data", "auth.jwt_secret", "auth.issuer", "auth.audience")
	addConfigFlag(cmd)
}
