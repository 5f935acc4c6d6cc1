package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"barrage/configs"
	"barrage/persistence/datadir"
)

// signing finds the HS256 key of the node that cmd's flags describe, and its
// settings.
func signing(cmd *cobra.Command) (*configs.Config, string, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, "", err
	}
	if cfg.Auth.JWTSecret != "" {
		return cfg, cfg.Auth.JWTSecret, nil
	}
	secret, err := datadir.ReadSecret(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("no secret in %s yet: it is made when 'barrage serve' first starts there; name another folder with --data, or give --jwt-secret", cfg.Data)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the secret: %w", err)
	}
	return cfg, string(secret), nil
}
