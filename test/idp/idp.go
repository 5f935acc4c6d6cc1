// Package idp is a site's login for tests: it signs tokens, publishes its keys
// as a JWKS, and says whose sessions are (RFC 7662), over real HTTP.
package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Client and Secret are what a node must say of itself to ask for sessions.
// They have what must be encoded in HTTP Basic.
const (
	Client = "barrage:node 1"
	Secret = "s3cret/+%:ü"
)

// Provider is a running login.
type Provider struct {
	addr string
	t    testing.TB

	mu        sync.Mutex
	server    *http.Server
	keys      []signer
	document  string // in place of the keys; "": the keys
	answer    string // in place of what sessions are; "": that
	tag       bool   // ETags are given and asked for
	sessions  map[string]map[string]any
	fetches   int
	unchanged int
	questions int
}

type signer struct {
	kid     string
	method  jwt.SigningMethod
	private crypto.Signer
}

// Start starts a login without keys and sessions.
func Start(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{t: t, sessions: map[string]map[string]any{}}
	p.listen("127.0.0.1:0")
	t.Cleanup(p.GoAway)
	return p
}

func (p *Provider) listen(addr string) {
	p.t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		p.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks.json", p.serveKeys)
	mux.HandleFunc("POST /introspect", p.introspect)
	server := &http.Server{Handler: mux}
	p.mu.Lock()
	p.addr, p.server = listener.Addr().String(), server
	p.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // it ends with GoAway
}

// GoAway closes all connections and the port.
func (p *Provider) GoAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		_ = p.server.Close()
		p.server = nil
	}
}

// ComeBack listens again, at the same address.
func (p *Provider) ComeBack() {
	p.t.Helper()
	p.listen(p.addr)
}

// JWKSURL is where the keys are.
func (p *Provider) JWKSURL() string { return "http://" + p.addr + "/jwks.json" }

// IntrospectionURL is where to ask for sessions.
func (p *Provider) IntrospectionURL() string { return "http://" + p.addr + "/introspect" }

// AddKey makes a key for RS256, ES256 or EdDSA, publishes it, and signs with it.
func (p *Provider) AddKey(kid string, method jwt.SigningMethod) {
	p.t.Helper()
	var private crypto.Signer
	var err error
	switch method {
	case jwt.SigningMethodRS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwt.SigningMethodES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwt.SigningMethodEdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no keys for %s", method.Alg())
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, signer{kid, method, private})
}

// RemoveKey takes a key out of the JWKS. Sign knows it no more.
func (p *Provider) RemoveKey(kid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, k := range p.keys {
		if k.kid == kid {
			p.keys = append(p.keys[:i:i], p.keys[i+1:]...)
			return
		}
	}
}

// Public is a key's public part.
func (p *Provider) Public(kid string) crypto.PublicKey {
	return p.key(kid).private.Public()
}

func (p *Provider) key(kid string) signer {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.kid == kid {
			return k
		}
	}
	p.t.Fatalf("no key %q", kid)
	return signer{}
}

// Sign makes a token with a key; header may be nil.
func (p *Provider) Sign(kid string, said jwt.MapClaims, header map[string]any) string {
	p.t.Helper()
	k := p.key(kid)
	token := jwt.NewWithClaims(k.method, said)
	token.Header["kid"] = kid
	maps.Copy(token.Header, header)
	text, err := token.SignedString(k.private)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// Publish serves a document in place of the keys; "": the keys again.
func (p *Provider) Publish(document string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.document = document
}

// Tagged has the JWKS served with an ETag.
func (p *Provider) Tagged() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tag = true
}

// Answer gives one answer to all questions for sessions; "": what they are.
func (p *Provider) Answer(body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = body
}

// Session makes a session of a token, or with nil ends it.
func (p *Provider) Session(token string, said map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if said == nil {
		delete(p.sessions, token)
		return
	}
	p.sessions[token] = said
}

// Fetches counts the answers with the keys, and those that said that they have
// not changed.
func (p *Provider) Fetches() (whole, unchanged int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches, p.unchanged
}

// Questions counts the questions for sessions.
func (p *Provider) Questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.questions
}

// JWKS is the document with the keys.
func (p *Provider) JWKS() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.jwks()
}

func (p *Provider) jwks() string {
	list := []map[string]any{}
	for _, k := range p.keys {
		jwk := JWK(k.private.Public())
		jwk["kid"], jwk["alg"], jwk["use"] = k.kid, k.method.Alg(), "sig"
		list = append(list, jwk)
	}
	return JSON(map[string]any{"keys": list})
}

// JSON encodes what always can be.
func JSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// JWK gives the parameters of a public key.
func JWK(public crypto.PublicKey) map[string]any {
	text := base64.RawURLEncoding.EncodeToString
	switch k := public.(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": text(k.N.Bytes()), "e": text(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, x, y (SEC 1, 2.3.3)
		if err != nil {
			panic(err)
		}
		half := 1 + len(point)/2
		return map[string]any{"kty": "EC", "crv": k.Curve.Params().Name, "x": text(point[1:half]), "y": text(point[half:])}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": text(k)}
	}
	panic(fmt.Sprintf("no JWK of a %T", public))
}

func (p *Provider) serveKeys(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	document := p.document
	if document == "" {
		document = p.jwks()
	}
	if p.tag {
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(document)))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			p.unchanged++
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	p.fetches++
	w.Header().Set("Content-Type", "application/jwk-set+json")
	fmt.Fprint(w, document)
}

func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.questions++
	client, secret, _ := r.BasicAuth()
	client, err1 := url.QueryUnescape(client)
	secret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil || client != Client || secret != Secret {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if p.answer != "" {
		fmt.Fprint(w, p.answer)
		return
	}
	answer := map[string]any{"active": false}
	if said, known := p.sessions[r.PostFormValue("token")]; known {
		answer = maps.Clone(said)
		answer["active"] = true
	}
	fmt.Fprint(w, JSON(answer))
}
