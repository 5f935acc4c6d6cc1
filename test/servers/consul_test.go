package servers

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/test/netns"
)

func (c *Consul) mustDo(t *testing.T, method, path, body string) string {
	t.Helper()
	answer, err := c.request(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestConsulKeepsItsKeysThroughKillAndStopUntilItLosesThem(t *testing.T) {
	c := StartConsul(t, ConsulOptions{})
	c.mustDo(t, http.MethodPut, "/v1/kv/kept", "here")
	addr, pid := c.Addr(), c.PID()
	for _, end := range []func(){c.Kill, c.Stop} {
		end()
		began := time.Now()
		c.Start()
		t.Logf("back after %s", time.Since(began))
		if got := c.mustDo(t, http.MethodGet, "/v1/kv/kept?raw", ""); got != "here" {
			t.Errorf("got %q", got)
		}
	}
	if c.Addr() != addr || c.PID() == pid {
		t.Errorf("it is at %s as %d, and was at %s as %d", c.Addr(), c.PID(), addr, pid)
	}
	c.Stop()
	c.LoseState()
	c.Start()
	if got, err := c.request(http.MethodGet, "/v1/kv/kept?raw", ""); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %q, %v after its state was lost", got, err)
	}
}

func TestAPausedConsulAnswersLater(t *testing.T) {
	c := StartConsul(t, ConsulOptions{})
	c.Pause()
	answered := make(chan error, 1)
	go func() {
		_, err := c.request(http.MethodGet, "/v1/status/leader", "")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatal("a paused server answered:", err)
	case <-time.After(100 * time.Millisecond):
	}
	c.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestConsulWithACLDeniesWhoHasNoToken(t *testing.T) {
	c := StartConsul(t, ConsulOptions{ACL: true})
	c.mustDo(t, http.MethodPut, "/v1/kv/secret", "x")
	nobody := *c
	nobody.token = ""
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		if _, err := nobody.request(method, "/v1/kv/secret", ""); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%s without a token: %v", method, err)
		}
	}
	// The token is the configuration's, not the state's.
	c.Kill()
	c.LoseState()
	c.Start()
	c.mustDo(t, http.MethodPut, "/v1/kv/secret", "x")
}

func TestConsulWithTLSIsTrustedThroughItsCAFile(t *testing.T) {
	c := StartConsul(t, ConsulOptions{TLS: true})
	if !strings.HasPrefix(c.URL(), "https://") {
		t.Errorf("it is at %s", c.URL())
	}
	c.mustDo(t, http.MethodPut, "/v1/kv/kept", "x")
	res, err := http.Get(c.URL() + "/v1/status/leader")
	if err == nil {
		_ = res.Body.Close()
		t.Error("it is trusted by who doesn't know its CA")
	}
}

func TestConsulRunsOnAHostOfItsOwn(t *testing.T) {
	network := netns.New(t, "consul", "other")
	hosts := network.Hosts()
	c := StartConsul(t, ConsulOptions{Netns: hosts[0].Namespace(), Bind: hosts[0].Addr()})
	res, err := hosts[1].HTTPClient().Get(c.URL() + "/v1/status/leader")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	namespaces := map[string]bool{}
	for _, process := range []string{"self", strconv.Itoa(c.PID())} {
		namespace, err := os.Readlink("/proc/" + process + "/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		namespaces[namespace] = true
	}
	if len(namespaces) != 2 {
		t.Errorf("it is in the tests' own namespace: %v", namespaces)
	}
}
