package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/MicahParks/jwkset"
)

const (
	// maxJWKSBytes and maxKeys bound a JWKS: real ones have a handful of keys
	// of one or two kilobytes.
	maxJWKSBytes = 1 << 20
	maxKeys      = 100

	// RSA keys must have at least what RFC 7518, section 3.3, asks for; larger
	// ones than these cost more to check than they are worth.
	minRSABits, maxRSABits = 2048, 8192
)

// key is a public key that tokens may be signed with.
type key struct {
	kid    string
	alg    string // the one algorithm that it is for
	public crypto.PublicKey
	// gone: the key is not in the set any more. What was signed with it is no
	// good any more.
	gone atomic.Bool
}

func (k *key) equal(other *key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.kid == other.kid && k.alg == other.alg && public.Equal(other.public)
}

// keyring is the keys of one JWKS. It may be read at any time; one goroutine
// at a time replaces it.
type keyring struct {
	current atomic.Pointer[[]*key]
}

func (r *keyring) keys() []*key {
	if keys := r.current.Load(); keys != nil {
		return *keys
	}
	return nil
}

// read replaces the keys by those of a JWKS. If that is no good, they stay, and
// the error says why.
func (r *keyring) read(document []byte, log *slog.Logger) error {
	keys, ignored, err := parseJWKS(document)
	if err != nil {
		return err
	}
	before := r.keys()
	for i, k := range keys {
		// A key that stays remains the same to whoever holds it.
		if j := slices.IndexFunc(before, k.equal); j >= 0 {
			keys[i] = before[j]
		}
	}
	same := len(keys) == len(before)
	r.current.Store(&keys)
	for _, k := range before {
		if !slices.Contains(keys, k) {
			k.gone.Store(true)
			same = false
		}
	}
	if !same {
		log.Info("keys of tokens", "keys", len(keys), "ignored", len(ignored))
		for _, why := range ignored {
			log.Warn("a key of the JWKS is ignored", "why", why)
		}
	}
	return nil
}

// parseJWKS gives the usable keys of a JWKS (RFC 7517), and why others are
// ignored. A set that says that it has no keys is one; a set of which no key is
// usable is an error.
func parseJWKS(document []byte) (keys []*key, ignored []error, err error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	switch err := json.Unmarshal(document, &set); {
	case err != nil:
		return nil, nil, fmt.Errorf("not a JWKS: %w", err)
	case set.Keys == nil:
		return nil, nil, errors.New(`not a JWKS: it has no "keys"`)
	case len(*set.Keys) > maxKeys:
		return nil, nil, fmt.Errorf("a JWKS of %d keys; the most are %d", len(*set.Keys), maxKeys)
	}
	for i, raw := range *set.Keys {
		k, err := parseKey(raw)
		if err != nil {
			ignored = append(ignored, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 && len(ignored) > 0 {
		return nil, ignored, fmt.Errorf("no key of the JWKS is usable: %w", ignored[0])
	}
	return keys, ignored, nil
}

// parseKey reads a public key that is meant for checking signatures with one
// of the algorithms.
func parseKey(raw json.RawMessage) (*key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("not a JWK")
	}
	switch {
	case m.KTY == jwkset.KtyOct:
		return nil, errors.New("a symmetric key is no public key")
	case m.D != "":
		return nil, errors.New("it has its private part: whoever can read it can make tokens")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return nil, errors.New("its use is not sig")
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return nil, errors.New("its key_ops have no verify")
	}
	// Certificates are not looked at: they say who vouches for a key, and here
	// the file or the URL does.
	m.X5C, m.X5T, m.X5TS256, m.X5U = nil, "", "", ""
	parsed, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, errors.New("its parameters are wrong or of an unknown kind")
	}
	k := &key{kid: m.KID, public: parsed.Key()}
	if k.alg, err = algorithmOf(k.public); err != nil {
		return nil, err
	}
	if said := m.ALG.String(); said != "" && said != k.alg && (said != "Ed25519" || k.alg != algEdDSA) {
		return nil, fmt.Errorf("its alg is not %s", k.alg)
	}
	return k, nil
}

// algorithmOf gives the one algorithm that a key is used with.
func algorithmOf(public crypto.PublicKey) (string, error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("an RSA key of %d bits; %d to %d are taken", bits, minRSABits, maxRSABits)
		}
		if p.E < 3 || p.E&1 == 0 || p.E > 1<<31-1 {
			return "", errors.New("an RSA key with an exponent that can't be")
		}
		return algRS256, nil
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() {
			return "", errors.New("an elliptic curve key that is not of P-256")
		}
		return algES256, nil
	case ed25519.PublicKey:
		return algEdDSA, nil
	}
	return "", errors.New("a kind of key that is not used here")
}
