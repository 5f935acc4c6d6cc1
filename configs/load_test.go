package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "barrage.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parseFlags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("config", "", "")
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestWithoutAnythingDefaultsHold(t *testing.T) {
	cfg, err := Load(parseFlags(t), "", []string{"PATH=/bin", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(cfg, Default()) {
		t.Fatalf("got %+v", cfg)
	}
	if cfg.HTTP.Addr != "127.0.0.1:8080" || cfg.Data != "./data" || cfg.Auth.Guest || !cfg.Videos.Autocreate ||
		cfg.HTTP.MaxBodyBytes != 8192 || cfg.Stream.Heartbeat != 15*time.Second {
		t.Fatalf("defaults moved: %+v", cfg)
	}
}

func TestFlagsWinOverEnvironmentOverFileOverDefaults(t *testing.T) {
	file := writeFile(t, "stream: {heartbeat: 1s, retry: 1s, retry_jitter: 1s}\n")
	env := []string{"BARRAGE_STREAM_HEARTBEAT=2s", "BARRAGE_STREAM_RETRY=2s"}
	cfg, err := Load(parseFlags(t, "--stream-heartbeat=3s", "--config", "elsewhere"), file, env)
	if err != nil {
		t.Fatal(err)
	}
	got := []time.Duration{cfg.Stream.Heartbeat, cfg.Stream.Retry, cfg.Stream.RetryJitter, cfg.Stream.LagTime}
	want := []time.Duration{3 * time.Second, 2 * time.Second, time.Second, 10 * time.Second}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestEverySettingCanBeGivenInEveryWay(t *testing.T) {
	for _, s := range Settings() {
		if s.Key == "cluster.consul" {
			continue // it asks for others, see TestAClusterNeedsItsSettings
		}
		value := map[string]string{
			"yes/no": "true", "number": "700", "rate": "7.5", "size": "1GiB", "duration": "7m", "list": "http://a.example,http://b.example", "text": "seven",
		}[s.Kind()]
		switch {
		case s.Choices != nil:
			value = s.Choices[len(s.Choices)-1]
		case s.Key == "http.addr":
			value = ":7000"
		case s.Key == "http.proxy_protocol":
			continue // it asks for another, see TestProxiesAreNetworksAndAddresses
		case s.Key == "http.trusted_proxies":
			value = "10.0.0.0/8,192.0.2.1"
		case s.Key == "auth.jwks_url", s.Key == "auth.introspection_url":
			value = "https://login.example.com/path"
		}
		want := Default()
		if err := s.set(want, value); err != nil {
			t.Fatal(err)
		}
		section, key, found := strings.Cut(s.Key, ".")
		text := section + ": \"" + value + "\"\n"
		if found {
			text = section + ":\n  " + key + ": \"" + value + "\"\n"
		}
		for way, load := range map[string]func() (*Config, error){
			"file": func() (*Config, error) { return Load(nil, writeFile(t, text), nil) },
			"env":  func() (*Config, error) { return Load(nil, "", []string{s.Env() + "=" + value}) },
			"flag": func() (*Config, error) { return Load(parseFlags(t, "--"+s.Flag+"="+value), "", nil) },
		} {
			got, err := load()
			if err != nil {
				t.Errorf("%s by %s: %v", s.Key, way, err)
			} else if !reflect.DeepEqual(got, want) {
				t.Errorf("%s by %s: got %+v", s.Key, way, got)
			}
		}
	}
}

func TestAClusterNeedsItsSettings(t *testing.T) {
	base := []string{"BARRAGE_CLUSTER_CONSUL=127.0.0.1:8500"}
	secret, advertise := "BARRAGE_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef", "BARRAGE_CLUSTER_ADVERTISE=127.0.0.1:7000"
	for _, row := range []struct {
		env  []string
		want string // "": it is fine
	}{
		{[]string{secret, advertise}, ""},
		{[]string{secret}, "cluster.advertise: must say"},
		{[]string{advertise}, ""},
		{[]string{secret, "BARRAGE_CLUSTER_ADVERTISE=:7000"}, "cluster.advertise"},
		{[]string{secret, "BARRAGE_CLUSTER_ADVERTISE=0.0.0.0:7000"}, "cluster.advertise"},
		{[]string{secret, "BARRAGE_CLUSTER_ADVERTISE=127.0.0.1:0"}, "cluster.advertise"},
		{[]string{secret, "BARRAGE_CLUSTER_ADVERTISE=10.0.0.1:7000"}, "cluster.cert_file: nodes that can be reached"},
		{[]string{secret, "BARRAGE_CLUSTER_ADVERTISE=10.0.0.1:7000", "BARRAGE_CLUSTER_INSECURE=true"}, ""},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_LISTEN=0.0.0.0:7000"}, "cluster.cert_file: nodes that can be reached"},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_CERT_FILE=a"}, "go together"},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_CONSUL_KEY_FILE=a"}, "goes together"},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_REPLICAS=1"}, ""},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_REPLICAS=3"}, "cluster.replicas: 3"},
		{[]string{secret, advertise, "BARRAGE_CLUSTER_NAME=a.b"}, "cluster.name"},
	} {
		_, err := Load(nil, "", append(row.env, base...))
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%v: got %v, want %q", row.env, err, row.want)
		}
	}
}

func TestProxiesAreNetworksAndAddresses(t *testing.T) {
	for _, row := range []struct{ proxies, protocol, want string }{
		{"10.0.0.0/8,192.0.2.1,2001:db8::/32,::1", "true", ""},
		{"10.0.0.0/8", "false", ""},
		{"", "false", ""},
		{"", "true", "http.proxy_protocol: http.trusted_proxies must say"},
		{"10.0.0.0/33", "false", "http.trusted_proxies"},
		{"10.0.0", "false", "http.trusted_proxies"},
		{"proxy.example", "false", "http.trusted_proxies"},
	} {
		_, err := Load(nil, "", []string{"BARRAGE_HTTP_TRUSTED_PROXIES=" + row.proxies, "BARRAGE_HTTP_PROXY_PROTOCOL=" + row.protocol})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%v: got %v", row, err)
		}
	}
	cfg := Default()
	cfg.HTTP.TrustedProxies = []string{"0.0.0.0/0"}
	if w := strings.Join(cfg.Warnings(), " "); !strings.Contains(w, "0.0.0.0/0") {
		t.Errorf("all the world may be a proxy, and the warnings are %q", w)
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, s := range Settings() {
		for _, name := range []string{s.Key, s.Env(), "--" + s.Flag} {
			if other, taken := seen[name]; taken && other != s.Key {
				t.Errorf("%s is the name of both %s and %s", name, other, s.Key)
			}
			seen[name] = s.Key
		}
		if isForeign(s.Env()) {
			t.Errorf("%s is taken by something else", s.Env())
		}
		if s.Help == "" || strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: help should be one line without a full stop", s.Key)
		}
	}
}

func TestWrongFilesAreRefusedByKey(t *testing.T) {
	for _, row := range []struct{ yaml, want string }{
		{"stream: {heartbeat: abc}", `stream.heartbeat: "abc" is not a duration`},
		{"stream: {heartbeat: 15}", "stream.heartbeat: 15 is not a duration"},
		{"stream: {heartbeat: -1s}", "stream.heartbeat: -1s is too small"},
		{"stream: {heartbeat: 0s}", "stream.heartbeat: 0s is too small"},
		{"stream: {heartbeat: }", "stream.heartbeat: has no value"},
		{"stream: {heartbeet: 15s}", "stream.heartbeet: no such setting"},
		{"heartbeat: 15s", "heartbeat: no such setting (there is stream.heartbeat)"},
		{"stream: 15s", "stream: is a section"},
		{"stream: {ring_bytes: 8MB}", `stream.ring_bytes: "8MB" is not a size`},
		{"stream: {ring_bytes: 9999999999GiB}", "stream.ring_bytes"},
		{"stream: {ring_bytes: [1]}", "stream.ring_bytes"},
		{"stream: {slow_viewer: drop}", `stream.slow_viewer: "drop" is not one of gap, close`},
		{"limits: {posts_burst: 0}", "limits.posts_burst: 0 is too small, the least is 1"},
		{"limits: {posts_burst: 1.5}", "limits.posts_burst: 1.5 is not a whole number"},
		{"limits: {posts_per_second: .nan}", "limits.posts_per_second"},
		{"limits: {posts_per_second: -1}", "limits.posts_per_second: -1 is too small"},
		{"limits: {posts_per_second: ten}", `limits.posts_per_second: "ten" is not a number`},
		{"auth: {guest: maybe}", `auth.guest: "maybe" is not true or false`},
		{"auth: {guest: 1}", "auth.guest: 1 is not true or false"},
		{"auth: {cookie_name: 'a b'}", "auth.cookie_name"},
		{"log_level: loud", `log_level: "loud" is not one of`},
		{"log_level: 5", "log_level: 5 is not"},
		{"data: ''", "data: must name a folder"},
		{"http: {addr: localhost}", `http.addr: "localhost" is not an address`},
		{"http: {addr: ':99999'}", "http.addr"},
		{"http: {cors_origins: [example.com]}", "http.cors_origins"},
		{"http: {cors_origins: ['https://example.com/']}", "http.cors_origins"},
		{"http: {cors_origins: [3]}", "http.cors_origins: 3 is not text"},
		{"journal: {segment_bytes: 1GiB, max_bytes: 1GiB}", "journal.max_bytes"},
		{"journal: {segment_bytes: 2GiB}", "journal.segment_bytes: 2147483648 is too large"},
		{"data: a\ndata: b\n", "already defined"},
		{"- a\n- b\n", "configuration file"},
		{"a: b: c", "configuration file"},
	} {
		_, err := Load(nil, writeFile(t, row.yaml), nil)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.yaml, err, row.want)
		}
	}
	if _, err := Load(nil, filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil {
		t.Error("a file that is not there was taken")
	}
}

func TestSeveralMistakesAreSaidAtOnce(t *testing.T) {
	_, err := Load(nil, writeFile(t, "loglevel: info\nstream: {retry: soon}\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "loglevel") || !strings.Contains(err.Error(), "stream.retry") {
		t.Fatal(err)
	}
}

func TestEmptyFileAndEmptySectionsAreFine(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "stream:\n  # heartbeat: 15s\nlimits: {}\n"} {
		if cfg, err := Load(nil, writeFile(t, text), nil); err != nil || !reflect.DeepEqual(cfg, Default()) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWrongEnvironmentIsRefusedByName(t *testing.T) {
	for _, row := range []struct{ env, want string }{
		{"BARRAGE_HEARTBEAT=1s", "BARRAGE_HEARTBEAT: no such setting"},
		{"BARRAGE_STREAM_HEARTBEAT=soon", "BARRAGE_STREAM_HEARTBEAT: stream.heartbeat: \"soon\" is not a duration"},
		{"BARRAGE_STREAM=1", "BARRAGE_STREAM: no such setting"},
	} {
		_, err := Load(nil, "", []string{row.env})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v", row.env, err)
		}
	}
	_, err := Load(nil, "", []string{
		"BARRAGE_CONFIG=x", "BARRAGE_URL=x", "BARRAGE_TOKEN=x",
		"BARRAGE_SERVICE_HOST=10.0.0.1", "BARRAGE_SERVICE_PORT_HTTP=80", "BARRAGE_PORT=tcp://10.0.0.1:80", "BARRAGE_PORT_80_TCP_ADDR=10.0.0.1",
	})
	if err != nil {
		t.Errorf("variables that Kubernetes and the client commands use: %v", err)
	}
}

func TestWrongFlagsAreRefusedByName(t *testing.T) {
	for _, arg := range []string{"--stream-heartbeat=soon", "--limits-posts-burst=-3", "--log-level=loud", "--no-such=1"} {
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		AddFlags(flags)
		err := flags.Parse([]string{arg})
		name, _, _ := strings.Cut(arg, "=")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", arg, err)
		}
	}
}

func TestSecretIsNeverInAnError(t *testing.T) {
	_, err := Load(nil, writeFile(t, "auth: {jwt_secret: 918273645}"), nil)
	if err == nil || strings.Contains(err.Error(), "918273645") {
		t.Fatalf("got %v", err)
	}
}

func TestSizesAndLists(t *testing.T) {
	cfg, err := Load(parseFlags(t, "--auth-guest"), writeFile(t, `
stream: {ring_bytes: 12345, lag_bytes: 64KiB, send_buffer: 1 MiB}
journal: {max_bytes: 2GiB}
http: {cors_origins: [https://a.example, "http://localhost:5173"]}
limits: {posts_per_second: 0.5}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Stream.RingBytes != 12345 || cfg.Stream.LagBytes != 65536 || cfg.Stream.SendBuffer != 1<<20 || cfg.Journal.MaxBytes != 2<<30 ||
		len(cfg.HTTP.CORSOrigins) != 2 || cfg.Limits.PostsPerSecond != 0.5 || !cfg.Auth.Guest {
		t.Fatalf("got %+v", cfg)
	}
}

func TestExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		if file == "envoy.yaml" {
			continue // not ours to read
		}
		if _, err := Load(nil, file, nil); err != nil {
			t.Error(err)
		}
	}
	cfg, _ := Load(nil, "laptop.yaml", nil)
	if !cfg.Auth.Guest || len(cfg.Warnings()) != 0 {
		t.Errorf("laptop.yaml: guest %v, warnings %v", cfg.Auth.Guest, cfg.Warnings())
	}
}

func TestCommentedExamplesShowRealSettings(t *testing.T) {
	text, err := os.ReadFile("production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var active []string
	for line := range strings.Lines(string(text)) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		rest, commented := strings.CutPrefix(strings.TrimSpace(line), "# ")
		key, value, isKey := strings.Cut(rest, ":")
		if commented && isKey && !strings.ContainsAny(key, " (0") && value != "" {
			line = indent + rest + "\n"
		}
		active = append(active, line)
	}
	if _, err := Load(nil, writeFile(t, strings.Join(active, "")), nil); err != nil {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	cfg := Default()
	if w := cfg.Warnings(); len(w) != 0 {
		t.Errorf("defaults warn: %v", w)
	}
	cfg.Auth.JWTSecret, cfg.Auth.Guest, cfg.HTTP.Addr = "short", true, ":8080"
	if w := cfg.Warnings(); len(w) != 2 || strings.Contains(strings.Join(w, " "), "short;") {
		t.Errorf("got %v", w)
	}
}
