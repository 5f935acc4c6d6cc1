package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLifetime outlasts any run.
const tokenLifetime = 24 * time.Hour

// secretFile is where a server keeps its HS256 key inside its data folder. The
// key is the file's text, trimmed, not what the text decodes to.
const secretFile = "jwt-secret"

// tokens makes one token for each user of the run, or hands out the one it was
// given. It is empty if there is neither token nor key.
func tokens(c *Config, now time.Time) ([]string, error) {
	if c.Token != "" {
		return []string{c.Token}, nil
	}
	key := []byte(c.JWTSecret)
	if len(key) == 0 && c.DataDir != "" {
		text, err := os.ReadFile(filepath.Join(c.DataDir, secretFile))
		if err != nil {
			return nil, usagef("--data %s: %w", c.DataDir, err)
		}
		key = []byte(strings.TrimSpace(string(text)))
		if len(key) == 0 {
			return nil, usagef("--data %s: %s is empty", c.DataDir, secretFile)
		}
	}
	if len(key) == 0 {
		return nil, nil
	}
	out := make([]string, c.Users)
	for i := range out {
		t, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub":  fmt.Sprintf("bench-%05d", i),
			"name": fmt.Sprintf("Bench %d", i),
			"role": c.Role,
			"iat":  now.Unix(),
			"exp":  now.Add(tokenLifetime).Unix(),
		}).SignedString(key)
		if err != nil {
			return nil, fmt.Errorf("sign a token: %w", err)
		}
		out[i] = t
	}
	return out, nil
}
