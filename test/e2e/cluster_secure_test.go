package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

func TestANodeThatOthersCanReachNeedsCertificates(t *testing.T) {
	for _, addresses := range [][]string{
		{"--advertise=192.0.2.1:7000"},
		{"--advertise=127.0.0.1:7000", "--cluster-listen=0.0.0.0:7000"},
		{"--advertise=127.0.0.1:7000", "--cluster-listen=:7000"},
	} {
		args := append([]string{"serve", "--data", t.TempDir(), "--jwt-secret", strings.Repeat("s", 32), "--consul=127.0.0.1:1"}, addresses...)
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		defer cancel()
		cmd := harness.Command(t, args...)
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		stop()
		if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "--insecure-cluster") {
			t.Errorf("%v: %v\n%s", addresses, err, out)
		}
	}
}

// speaks says whether a node takes part in TLS with who has a certificate; nil
// if it has answered.
func speaks(addr string, files harness.Files) error {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	if files.Cert != "" {
		cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return err
		}
		// Also for a server that asks for certificates of others.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 9)) // the refusal of a certificate comes as late as this
	return err
}

func TestNodesSpeakToWhoHasTheirAuthoritysCertificates(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{TLS: true})
	room := c.OwnedBy(t, c.Nodes[0], "room-", 1)[0]
	s := postSteadily(t, room, c.Nodes[:2]...)
	s.more(30)

	m, err := c.Nodes[0].Anyone().Cluster(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	stranger := harness.NewAuthority(t)
	strangers := stranger.Issue(t, "127.0.0.1", t.TempDir())
	for _, member := range m.Members {
		if err := speaks(member.Address, c.Keys.Issue(t, "127.0.0.1", t.TempDir())); err != nil {
			t.Errorf("who has a certificate is refused: %v", err)
		}
		if speaks(member.Address, harness.Files{}) == nil || speaks(member.Address, strangers) == nil {
			t.Error("who has no certificate of the authority is answered")
		}
		conn, err := net.Dial("tcp", member.Address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
			t.Error(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // it is open
		answer := make([]byte, 9)
		if n, _ := conn.Read(answer); n == 9 && answer[3] == 4 {
			t.Error("it speaks in the clear")
		}
		_ = conn.Close()
	}

	// From one authority to another, without a restart: first all trust both,
	// then all have certificates of the new one.
	t.Log("the authority changes")
	for i := range c.Nodes {
		c.Keys.Issue(t, "127.0.0.1", c.KeyFolders[i], stranger)
	}
	for _, member := range m.Members {
		eventually(t, func() error { return speaks(member.Address, strangers) })
	}
	for i := range c.Nodes {
		stranger.Issue(t, "127.0.0.1", c.KeyFolders[i], c.Keys)
	}
	for _, member := range m.Members {
		eventually(t, func() error { return issuedBy(member.Address, stranger, strangers) })
	}
	s.more(30)
	c.Nodes[2].Kill()
	c.Nodes[2].Launch() // connections that are new
	c.WaitWhole()
	s.more(30)
	s.check(c, room)
}

// issuedBy answers nil if a node's certificate is of that authority.
func issuedBy(addr string, a *harness.Authority, files harness.Files) error {
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return err
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{
		RootCAs: a.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestConsulMayAskForATokenAndTLS(t *testing.T) {
	consul := servers.StartConsul(t, servers.ConsulOptions{ACL: true, TLS: true})
	c := harness.StartCluster(t, harness.ClusterOptions{Consul: consul, Nodes: 2})
	post(t, c.Nodes[0].User("ann", "viewer"), "room", "hello")
	if got := messages(history(t, c.Nodes[1].Anyone(), "room")); got != "hello" {
		t.Errorf("got %q", got)
	}
	for _, wrong := range []string{"", "00000000-0000-0000-0000-000000000000"} {
		n := harness.New(t, harness.JWTSecret(strings.Repeat("s", 32)),
			harness.Flags("--consul", consul.Addr(), "--advertise", "127.0.0.1:1", "--cluster-listen", "127.0.0.1:0", "--cluster-consul-ca-file", consul.CAFile()),
			harness.Env("BARRAGE_CLUSTER_CONSUL_TOKEN="+wrong))
		n.Launch()
		eventually(t, func() error {
			if _, err := n.Anyone().Ready(t.Context()); err == nil {
				t.Fatal("who has no token is a member")
			}
			if text := strings.ToLower(n.Logs()); !strings.Contains(text, "permission denied") && !strings.Contains(text, "acl") && !strings.Contains(text, "403") {
				return errors.New("it does not say why it can't be a member")
			}
			return nil
		})
		n.Kill()
	}
	if err := c.Whole(harness.Patience, c.Nodes...); err != nil {
		t.Error(fmt.Errorf("strangers were let in: %w", err))
	}
}
