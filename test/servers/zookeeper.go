package servers

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// zooKeeperJar is where Debian has it; its manifest names all that it needs.
const zooKeeperJar = "/usr/share/java/zookeeper.jar"

// zooKeeperConfig is for sessions of one to ten seconds: 2 to 20 ticks.
const zooKeeperConfig = `tickTime=500
dataDir=%s
clientPort=%d
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr
`

// StartZooKeeper starts a single node, and answers its host:port.
func StartZooKeeper(t testing.TB) (addr string) {
	t.Helper()
	var java string
	needs(t, "zookeeper", func() (err error) {
		if _, err = os.Stat(zooKeeperJar); err == nil {
			java, err = program("java")
		}
		return err
	})
	dir, port := t.TempDir(), ReservedPort(t)
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf(zooKeeperConfig, filepath.Join(dir, "data"), port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(dir, "output.log")
	p := &process{t: t, name: "zookeeper at " + loopback(port), output: output, logs: []string{output}}
	t.Cleanup(p.cleanUp)
	// A small heap, and what starts fast rather than what runs fast.
	p.launch(exec.Command(java, "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dzookeeper.forceSync=no", "-Djava.awt.headless=true", "-XX:-UsePerfData",
		"-cp", zooKeeperJar, "org.apache.zookeeper.server.ZooKeeperServerMain", config))
	p.await(func() error { return serves(loopback(port)) })
	return loopback(port)
}

// serves asks for the state: a node that doesn't serve clients yet says so here,
// and to "ruok" that all is well.
func serves(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !bytes.Contains(answer, []byte("Mode: standalone")) {
		err = fmt.Errorf("it answered %q", answer)
	}
	return err
}
