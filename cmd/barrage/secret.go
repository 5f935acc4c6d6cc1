package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"barrage/persistence/datadir"
)

// signingSecret finds the HS256 key of the node that cmd's flags describe.
func signingSecret(cmd *cobra.Command) (string, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return "", err
	}
	if cfg.Auth.JWTSecret != "" {
		return cfg.Auth.JWTSecret, nil
	}
	secret, err := datadir.ReadSecret(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no secret in %s yet: it is made when 'barrage serve' first starts there; name another folder with --data, or give --jwt-secret", cfg.Data)
	}
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	return string(secret), nil
}
