package node

import (
	"fmt"
	"os"
	"strings"

	"barrage/configs"
	"barrage/httpedge/identity"
)

// identityConfig is what the settings say of whose tokens are taken, the
// secret's file read.
func identityConfig(a configs.Auth) (identity.Config, error) {
	secret := a.IntrospectionClientSecret
	if a.IntrospectionClientSecretFile != "" {
		text, err := os.ReadFile(a.IntrospectionClientSecretFile)
		if err != nil {
			return identity.Config{}, fmt.Errorf("auth.introspection_client_secret_file: %w", err)
		}
		secret = strings.TrimRight(string(text), "\r\n")
	}
	return identity.Config{
		JWKSFile: a.JWKSFile, JWKSURL: a.JWKSURL, JWKSRefresh: a.JWKSRefresh,
		Issuer: a.Issuer, Audience: a.Audience, Leeway: a.Leeway, SessionsFile: a.SessionsFile,
		IntrospectionURL: a.IntrospectionURL, IntrospectionClient: a.IntrospectionClientID, IntrospectionSecret: secret,
		IntrospectionTimeout: a.IntrospectionTimeout, IntrospectionTTL: a.IntrospectionTTL, IntrospectionNegativeTTL: a.IntrospectionNegativeTTL,
	}, nil
}
