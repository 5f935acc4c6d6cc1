package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/remote"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/tls/certprovider"
	"google.golang.org/grpc/credentials/tls/certprovider/pemfile"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
)

// Files are the PEM files with which nodes prove who they are to each other:
// the authority, and the node's own certificate and key. They are read again
// every certificateRefresh.
type Files struct{ CA, Cert, Key string }

const (
	certificateRefresh = 10 * time.Second

	// batchMessages and maxBatchBytes bound what crosses at once. Messages have a
	// megabyte at most (actors), but for Claimed: that has one each of comments,
	// of those not merged yet and of reactions, and the whole room. A batch of
	// nothing but such would end the connection; they are asked for again.
	batchMessages = 64
	maxBatchBytes = 2 * batchMessages << 20
	// windowBytes is how much of a connection may be under way.
	windowBytes = 8 << 20

	dialTimeout = time.Second
	// dialPause is between two tries at a node that can't be connected to: a
	// node listens for longer than that before it is a member.
	dialPause = 100 * time.Millisecond
	// keepalivePeriod is the least that gRPC allows; silentTimeout is how long
	// sent bytes may be without an acknowledgement.
	keepalivePeriod = 10 * time.Second
	silentTimeout   = 5 * time.Second
)

// transport is how nodes speak to each other.
func transport(host string, port int, advertise string, secure security, all *connections, sent prometheus.Counter, log *slog.Logger) *remote.Config {
	options := []remote.ConfigOption{
		remote.WithServerOptions(
			grpc.Creds(secure.server),
			grpc.MaxRecvMsgSize(maxBatchBytes),
			grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepalivePeriod, Timeout: silentTimeout}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepalivePeriod / 2, PermitWithoutStream: true}),
			grpc.StreamInterceptor(recoverStream(log)),
			grpc.UnaryInterceptor(refuseCalls),
		),
		remote.WithDialOptions(
			grpc.WithTransportCredentials(secure.client),
			grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepalivePeriod, Timeout: silentTimeout, PermitWithoutStream: true}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{BaseDelay: dialPause, Multiplier: 1, Jitter: 0.2, MaxDelay: dialPause}, MinConnectTimeout: dialTimeout,
			}),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
			}),
			grpc.WithNoProxy(),
			grpc.WithStreamInterceptor(all.begin),
			grpc.WithStatsHandler(traffic{sent}),
		),
		remote.WithEndpointWriterBatchSize(batchMessages),
		// A first size: the default takes 16 MB for each node.
		remote.WithEndpointWriterQueueSize(1024),
		remote.WithEndpointManagerQueueSize(1024),
	}
	if advertise != "" {
		options = append(options, remote.WithAdvertisedHost(advertise))
	}
	c := remote.Configure(host, port, options...)
	c.MaxRetryCount = 1 // it sleeps for two seconds after each
	return c
}

// traffic counts what goes to other nodes.
type traffic struct{ sent prometheus.Counter }

// TagRPC implements stats.Handler.
func (traffic) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (t traffic) HandleRPC(_ context.Context, s stats.RPCStats) {
	if payload, ok := s.(*stats.OutPayload); ok {
		t.sent.Add(float64(payload.WireLength))
	}
}

// TagConn implements stats.Handler.
func (traffic) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (traffic) HandleConn(context.Context, stats.ConnStats) {}

// recoverStream keeps a message that this version doesn't know, and with which
// protoactor can do nothing but panic, from ending the process.
func recoverStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() {
			if r := recover(); r != nil {
				log.Error("a message of another node can't be read; its connection is closed", "panic", r)
				log.Debug("while reading a message", "stack", string(debug.Stack()))
				err = fmt.Errorf("a message can't be read: %v", r)
			}
		}()
		return handler(srv, stream)
	}
}

// refuseCalls refuses what protoactor declares and doesn't implement.
func refuseCalls(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
	return nil, errors.New("not supported")
}

// security says who gets in, and whom this node speaks to.
type security struct {
	server, client credentials.TransportCredentials
	close          func()
}

// aloneSecurity lets nobody in: protoactor listens for other members even
// where there is none, and whoever can connect could stop every actor. The
// certificate exists in this process's memory alone.
func aloneSecurity() (security, error) {
	identity, err := newIdentity()
	if err != nil {
		return security{}, fmt.Errorf("making the node's certificate: %w", err)
	}
	return security{credentials.NewTLS(identity.server()), credentials.NewTLS(identity.client()), func() {}}, nil
}

func insecureSecurity() security {
	return security{insecure.NewCredentials(), insecure.NewCredentials(), func() {}}
}

// fileSecurity is mutual TLS with certificates from files, which may be
// replaced while the node runs.
func fileSecurity(files Files) (security, error) {
	provider, err := pemfile.NewProvider(pemfile.Options{
		CertFile: files.Cert, KeyFile: files.Key, RootFile: files.CA, RefreshDuration: certificateRefresh,
	})
	if err != nil {
		return security{}, fmt.Errorf("certificates: %w", err)
	}
	if _, err := material(provider); err != nil {
		provider.Close()
		return security{}, err
	}
	own := func() (*tls.Certificate, error) {
		m, err := material(provider)
		if err != nil {
			return nil, err
		}
		return &m.Certs[0], nil
	}
	server := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m, err := material(provider)
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: m.Certs,
				ClientCAs: m.Roots, ClientAuth: tls.RequireAndVerifyClientCert,
			}, nil
		},
	}
	client := func(host string) *tls.Config {
		return &tls.Config{
			MinVersion:           tls.VersionTLS13,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() },
			// The authority may be replaced, too: so it is checked below.
			InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
			VerifyConnection: func(state tls.ConnectionState) error {
				m, err := material(provider)
				if err != nil {
					return err
				}
				return verify(state, host, m.Roots)
			},
		}
	}
	return security{credentials.NewTLS(server), hostCredentials{credentials.NewTLS(client("")), client}, provider.Close}, nil
}

// hostCredentials are those of a client that says to which host it speaks: of
// one that is an IP address a tls.ConnectionState knows nothing.
type hostCredentials struct {
	credentials.TransportCredentials
	config func(host string) *tls.Config
}

// ClientHandshake implements credentials.TransportCredentials.
func (h hostCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		host = authority
	}
	return credentials.NewTLS(h.config(host)).ClientHandshake(ctx, authority, conn) //nolint:wrapcheck // its errors say all
}

// Clone implements credentials.TransportCredentials.
func (h hostCredentials) Clone() credentials.TransportCredentials { return h }

// verify checks that a certificate is the host's, a name or an IP address, and
// of one of the authorities.
func verify(state tls.ConnectionState, host string, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return fmt.Errorf("another node's certificate: %w", err)
	}
	return nil
}

// material reads what the files have now.
func material(provider certprovider.Provider) (*certprovider.KeyMaterial, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	m, err := provider.KeyMaterial(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates between nodes: %w", err)
	}
	return m, nil
}
