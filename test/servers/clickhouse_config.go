package servers

import (
	"encoding/xml"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Files in a server's folder.
const (
	configFile = "config.xml"
	usersFile  = "users.xml"
	logFile    = "server.log"
)

// What a test's server has unless the test says otherwise: it shares a small
// machine with the tests.
var (
	usualSettings = map[string]string{
		"max_threads":                      "2",
		"background_pool_size":             "4",
		"background_schedule_pool_size":    "4",
		"max_memory_usage":                 "1000000000",
		"max_memory_usage_for_all_queries": "2000000000",
		// An orderly end waits until idle connections have looked up.
		"poll_interval": "1",
	}
	usualMergeTree = map[string]string{
		// By default merges stay small while fewer than 8 threads are free,
		// which a small pool never has.
		"number_of_free_entries_in_pool_to_lower_max_size_of_merge": "1",
		// Replicas come back within seconds after they lost ZooKeeper.
		"zookeeper_session_expiration_check_period": "1",
	}
)

// configFiles answers the text of each file of a server's configuration. With
// interserver 0 it gives no parts to other replicas.
func configFiles(dir string, o *ClickHouseOptions, interserver int) map[string]string {
	_, port, _ := net.SplitHostPort(loopback(o.TCPPort))
	config := element("logger",
		leaf("level", "debug")+leaf("log", path.Join(dir, logFile))+leaf("size", "20M")+leaf("count", "1")) +
		leaf("listen_host", "127.0.0.1") + leaf("tcp_port", port) +
		leaf("path", dir+"/data/") + leaf("tmp_path", dir+"/tmp/") +
		leaf("user_files_path", dir+"/user_files/") + leaf("format_schema_path", dir+"/format_schemas/") +
		leaf("users_config", usersFile) + leaf("default_profile", "default") + leaf("default_database", "default") +
		leaf("mark_cache_size", "16777216") + leaf("uncompressed_cache_size", "0") +
		leaf("max_concurrent_queries", "100") + leaf("timezone", "UTC") +
		element("merge_tree", leaves(usualMergeTree, o.MergeTree)) +
		element("macros", leaves(o.Macros)) + element("remote_servers", clusters(o.Clusters))
	if interserver != 0 {
		config += leaf("interserver_http_host", "127.0.0.1") + leaf("interserver_http_port", strconv.Itoa(interserver)) +
			zooKeeper(o.ZooKeeper)
	}
	if takesOnCluster(o) {
		config += element("distributed_ddl", leaf("path", "/clickhouse/task_queue/ddl"))
	}
	users := element("profiles", element("default", leaves(usualSettings, o.Settings))) +
		element("users", element("default", leaf("password", "")+element("networks", leaf("ip", "127.0.0.1"))+
			leaf("profile", "default")+leaf("quota", "default"))) +
		element("quotas", element("default", ""))

	// Old servers want "yandex" for the root, new ones take it.
	files := map[string]string{configFile: element("yandex", config), usersFile: element("yandex", users)}
	for name, text := range o.ConfigFiles {
		if path.Dir(name) == "." {
			name = path.Join("config.d", name)
		}
		files[name] = text
	}
	return files
}

func takesOnCluster(o *ClickHouseOptions) bool { return len(o.ZooKeeper) > 0 && len(o.Clusters) > 0 }

func zooKeeper(nodes []string) string {
	var text strings.Builder
	for _, node := range nodes {
		text.WriteString(element("node", address(node)))
	}
	// A replica that crashed may come back when its old session is over.
	return element("zookeeper", text.String()+leaf("session_timeout_ms", "4000"))
}

func clusters(all map[string][][]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var shards strings.Builder
		for _, replicas := range all[name] {
			// A distributed table writes to one replica; it gives to the others.
			shard := leaf("internal_replication", "true")
			for _, replica := range replicas {
				shard += element("replica", address(replica))
			}
			shards.WriteString(element("shard", shard))
		}
		text.WriteString(element(name, shards.String()))
	}
	return text.String()
}

func address(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort // the server will say what is wrong
	}
	return leaf("host", host) + leaf("port", port)
}

// leaves makes an element of each setting; later maps win.
func leaves(settings ...map[string]string) string {
	merged := map[string]string{}
	for _, s := range settings {
		maps.Copy(merged, s)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		text.WriteString(leaf(name, merged[name]))
	}
	return text.String()
}

func leaf(name, value string) string {
	var escaped strings.Builder
	if err := xml.EscapeText(&escaped, []byte(value)); err != nil {
		panic(err) // a strings.Builder takes all
	}
	return element(name, escaped.String())
}

func element(name, inside string) string { return "<" + name + ">" + inside + "</" + name + ">\n" }
