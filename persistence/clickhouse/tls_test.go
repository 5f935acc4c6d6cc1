package clickhouse_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"barrage/persistence/clickhouse"
	"barrage/test/servers"
)

// authority makes certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil)
	return a
}

// issue writes NAME.pem and NAME.key; without an issuer it signs itself.
func (a *authority) issue(name string, issuer *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: issuer == nil,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// terminate speaks TLS for a server that doesn't, with clients that have a
// certificate of the authority.
func (a *authority) terminate(to string) string {
	a.t.Helper()
	a.issue("server", a)
	cert, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer server.Close()
				go func() { _, _ = io.Copy(server, client) }()
				_, _ = io.Copy(client, server)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestTLSBothWays(t *testing.T) {
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ours, theirs := newAuthority(t), newAuthority(t)
	addr := ours.terminate(ch.Addr())
	ours.issue("node", ours)
	theirs.issue("node", theirs)
	dsn := "clickhouse://default:@" + addr + "/barrage"
	node := clickhouse.Config{DSN: dsn, CAFile: ours.path("ca.pem"), CertFile: ours.path("node.pem"), KeyFile: ours.path("node.key")}
	for name, c := range map[string]struct {
		cfg clickhouse.Config
		ok  bool
	}{
		"as it should be":        {node, true},
		"no certificate":         {clickhouse.Config{DSN: dsn, CAFile: node.CAFile}, false},
		"a stranger's":           {clickhouse.Config{DSN: dsn, CAFile: node.CAFile, CertFile: theirs.path("node.pem"), KeyFile: theirs.path("node.key")}, false},
		"trusting somebody else": {clickhouse.Config{DSN: dsn, CAFile: theirs.path("ca.pem"), CertFile: node.CertFile, KeyFile: node.KeyFile}, false},
		"no TLS":                 {clickhouse.Config{DSN: dsn}, false},
	} {
		db, err := clickhouse.Open(c.cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := db.Prepare(t.Context()); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		_ = db.Close()
	}
	// A certificate that was renewed is used without a restart.
	db, err := clickhouse.Open(node)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ours.issue("node", ours)
	if _, err := db.Prepare(t.Context()); err != nil {
		t.Errorf("with a renewed certificate: %v", err)
	}
}
