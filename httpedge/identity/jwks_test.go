package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/idp"
)

// The keys of RFC 7515, A.3.1, RFC 8037, A.2, and RFC 7517, A.1.
const (
	jwkEC  = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	jwkOKP = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	jwkRSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"`
)

func TestKeysOfTheStandardsAreTaken(t *testing.T) {
	for jwk, alg := range map[string]string{
		jwkEC + `}`:                               algES256,
		jwkEC + `,"alg":"ES256"}`:                 algES256,
		jwkEC + `,"use":"sig","unknown":[1]}`:     algES256,
		jwkEC + `,"key_ops":["verify"]}`:          algES256,
		jwkOKP + `}`:                              algEdDSA,
		jwkOKP + `,"alg":"EdDSA"}`:                algEdDSA,
		jwkOKP + `,"alg":"Ed25519"}`:              algEdDSA,
		jwkRSA + `}`:                              algRS256,
		jwkRSA + `,"alg":"RS256","x5c":["MIIB"]}`: algRS256,
		jwkRSA + `,"x5u":"http://127.0.0.1:1/"}`:  algRS256,
	} {
		if k, err := parseKey(json.RawMessage(jwk)); err != nil || k.alg != alg {
			t.Errorf("%s: %+v, %v", jwk, k, err)
		}
	}
}

func TestKeysThatAreNotForTokensAreIgnored(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, jwk := range map[string]string{
		"symmetric":          `{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}`,
		"RSA as symmetric":   jwkRSA + `,"alg":"HS256"}`,
		"for encryption":     jwkRSA + `,"use":"enc"}`,
		"RSA-OAEP":           jwkRSA + `,"alg":"RSA-OAEP"}`,
		"PS256":              jwkRSA + `,"alg":"PS256"}`,
		"RS512":              jwkRSA + `,"alg":"RS512"}`,
		"EC for RS256":       jwkEC + `,"alg":"RS256"}`,
		"alg none":           jwkEC + `,"alg":"none"}`,
		"key_ops encrypt":    jwkRSA + `,"key_ops":["encrypt"]}`,
		"X25519":             strings.Replace(jwkOKP, "Ed25519", "X25519", 1) + `}`,
		"P-384":              idp.JSON(idp.JWK(p384.Public())),
		"1024 bits":          idp.JSON(idp.JWK(small.Public())),
		"private":            jwkOKP + `,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`,
		"not on the curve":   strings.Replace(jwkEC, "x_FE", "x_FF", 1) + `}`,
		"no modulus":         `{"kty":"RSA","e":"AQAB"}`,
		"even exponent":      strings.Replace(jwkRSA, "AQAB", "AQAC", 1) + `}`,
		"exponent one":       strings.Replace(jwkRSA, "AQAB", "AQ", 1) + `}`,
		"enormous exponent":  strings.Replace(jwkRSA, "AQAB", strings.Repeat("__", 30), 1) + `}`,
		"enormous modulus":   `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 4000) + `"}`,
		"not base64":         strings.Replace(jwkOKP, "11qY", "11 Y", 1) + `}`,
		"a key of 31 bytes":  `{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 41) + `"}`,
		"unknown kty":        `{"kty":"XYZ"}`,
		"no kty":             `{}`,
		"a text":             `"key"`,
		"null":               `null`,
		"kid a number":       jwkEC + `,"kid":7}`,
		"numbers for coords": `{"kty":"EC","crv":"P-256","x":1,"y":2}`,
	} {
		if k, err := parseKey(json.RawMessage(jwk)); err == nil {
			t.Errorf("%s is taken: %+v", name, k)
		}
		// One bad key does not spoil the others.
		keys, ignored, err := parseJWKS([]byte(`{"keys":[` + jwk + `,` + jwkEC + `,"kid":"good"}]}`))
		if err != nil || len(keys) != 1 || keys[0].kid != "good" || len(ignored) != 1 {
			t.Errorf("%s beside a good one: %v, %v, %v", name, keys, ignored, err)
		}
	}
}

func TestWhatIsNoJWKSIsRefused(t *testing.T) {
	many := func(n int) string { return `{"keys":[` + strings.Repeat(jwkEC+`},`, n-1) + jwkEC + `}]}` }
	for document, good := range map[string]bool{
		`{"keys":[]}`: true, many(maxKeys): true, many(maxKeys + 1): false,
		``: false, `[]`: false, `{}`: false, `{"keys":null}`: false, `{"keys":{}}`: false, `<html>`: false, "null": false,
		`{"keys":[{"kty":"oct","k":"AA"}]}`: false, `{"keys":[` + jwkEC + `}]} trailing`: false,
	} {
		if _, _, err := parseJWKS([]byte(document)); (err == nil) != good {
			t.Errorf("%.60s: %v", document, err)
		}
	}
}

// TestAKeyOfAPublicSetIsNoSecret: whoever can write into a JWKS that should
// have public keys only can't make the node take HS256 tokens of it.
func TestAKeyOfAPublicSetIsNoSecret(t *testing.T) {
	login, a := newTestLogin(t, nil)
	login.Publish(`{"keys":[{"kty":"oct","kid":"o","alg":"HS256","k":"c2VjcmV0c2VjcmV0c2VjcmV0"},` + jwkEC + `}]}`)
	fetchNow(t, a)
	token := sign(t, jwt.SigningMethodHS256, []byte("secretsecretsecret"), jwt.MapClaims{"sub": "ann"}, map[string]any{"kid": "o"})
	if g, err := a.Bearer(t.Context(), token); !isInvalid(err) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestAKeyThatStaysIsTheSame(t *testing.T) {
	var ring keyring
	log := slog.New(slog.DiscardHandler)
	read := func(document string) []*key {
		t.Helper()
		if err := ring.read([]byte(document), log); err != nil {
			t.Fatal(err)
		}
		return ring.keys()
	}
	both := read(`{"keys":[` + jwkEC + `,"kid":"a"},` + jwkOKP + `,"kid":"b"}]}`)
	next := read(`{"keys":[` + jwkRSA + `,"kid":"a"},` + jwkOKP + `,"kid":"b"}]}`)
	if next[1] != both[1] || both[1].gone.Load() || next[0] == both[0] || !both[0].gone.Load() || next[0].gone.Load() {
		t.Errorf("another key took the place of one: %v, %v", both, next)
	}
	if err := ring.read([]byte(`rubbish`), log); err == nil || len(ring.keys()) != 2 || next[0].gone.Load() {
		t.Errorf("rubbish: %v, %v", ring.keys(), err)
	}
	if read(`{"keys":[]}`); !next[0].gone.Load() || !next[1].gone.Load() {
		t.Error("keys that were all withdrawn are still there")
	}
}

func FuzzJWKS(f *testing.F) {
	for _, jwk := range []string{jwkEC, jwkOKP, jwkRSA, `{"kty":"oct","k":"AA"`} {
		f.Add([]byte(`{"keys":[` + jwk + `,"kid":"k","use":"sig"}]}`))
	}
	f.Add([]byte(`{"keys":[` + jwkRSA + `,"d":"AA"},null,7]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, _, err := parseJWKS(document)
		if err != nil && keys != nil || len(keys) > maxKeys {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if alg, err := algorithmOf(k.public); err != nil || alg != k.alg || alg == algHS256 {
				t.Errorf("a key for %q: %v", k.alg, err)
			}
			// What was read can be written and read again.
			jwk := map[string]any{"kid": k.kid}
			maps.Copy(jwk, idp.JWK(k.public))
			if again, err := parseKey(json.RawMessage(idp.JSON(jwk))); err != nil || !again.equal(k) {
				t.Errorf("read again: %v", err)
			}
		}
	})
}
