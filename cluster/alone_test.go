package cluster

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
)

func TestNobodyElseGetsIntoALoneNode(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	m, err := Start(Config{
		System: system, Kind: "video", Log: quiet, Registry: prometheus.NewRegistry(),
		Props: actor.PropsFromFunc(func(actor.Context) {}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	address := system.Address()
	plain, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	// HTTP/2 without TLS, as protoactor speaks it by default.
	if _, err := io.WriteString(plain, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if err := plain.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(plain); err != nil && !errors.Is(err, net.ErrClosed) && len(answer) > 7 {
		t.Errorf("a client without TLS is answered %q, %v", answer, err)
	}
	// With TLS, but a certificate of its own.
	stranger, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	config := stranger.client()
	config.InsecureSkipVerify = true // the stranger would not mind
	conn, err := tls.Dial("tcp", address, config)
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // TLS 1.3 tells a client of its refusal with the first read
		_ = conn.Close()
	}
	if err == nil {
		t.Error("a client with another certificate gets in")
	}
}
