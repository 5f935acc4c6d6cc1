package harness

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Secret is the HS256 key that the node was given, or that in its data folder.
func (n *Node) Secret() []byte {
	n.t.Helper()
	if n.secret != "" {
		return []byte(n.secret)
	}
	text, err := os.ReadFile(filepath.Join(n.Data, "jwt-secret"))
	if err != nil {
		n.t.Fatal(err)
	}
	return []byte(strings.TrimSpace(string(text)))
}

// Token makes a token that the node takes for an hour.
func (n *Node) Token(user, role string) string {
	n.t.Helper()
	return n.SignedToken(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user, "role": role, "exp": time.Now().Add(time.Hour).Unix(),
	})
}

// SignedToken makes a token of any claims, signed with the node's secret.
func (n *Node) SignedToken(method jwt.SigningMethod, claims jwt.MapClaims) string {
	n.t.Helper()
	var key any = n.Secret()
	if method == jwt.SigningMethodNone {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		n.t.Fatal(err)
	}
	return token
}
