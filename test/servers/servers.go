// Package servers starts real servers for tests, on loopback ports and in
// folders of their own: ClickHouse, ZooKeeper, and a proxy that misbehaves.
//
// They end with the test that started them, and with the test process however
// that ends. A test whose server can't be had is skipped by name.
package servers

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// EnvServers is set where tests may start servers.
const EnvServers = "BARRAGE_SERVERS"

// Patience is how long anything that must happen may take. It is generous, as
// tests share their machine.
const Patience = 60 * time.Second

// needs skips a test which wants what that machine doesn't give; check answers
// why it can't be had.
func needs(t testing.TB, what string, check func() error) {
	t.Helper()
	if os.Getenv(EnvServers) == "" {
		t.Skipf("%s needs %s: run it with %s=1", t.Name(), what, EnvServers)
	}
	if err := check(); err != nil {
		t.Skipf("%s needs %s: %v", t.Name(), what, err)
	}
}

// program finds a program, also where the PATH of those who aren't root lacks
// /usr/sbin.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, inSbin := exec.LookPath("/usr/sbin/" + name); inSbin == nil {
		return path, nil
	}
	return "", err
}
