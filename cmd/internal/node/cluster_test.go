package node

import "testing"

func TestBalancersAreToldOfAnAddressThatTheyCanReach(t *testing.T) {
	for _, c := range []struct{ http, advertise, want string }{
		{"[::]:8080", "10.0.0.11:7001", "10.0.0.11:8080"},
		{"0.0.0.0:8080", "node-1.example:7001", "node-1.example:8080"},
		{":8080", "[2001:db8::1]:7001", "[2001:db8::1]:8080"},
		{"10.0.0.12:8080", "10.0.0.11:7001", "10.0.0.12:8080"},
		{"[::1]:8080", "10.0.0.11:7001", "[::1]:8080"},
		{"edge.example:80", "10.0.0.11:7001", "edge.example:80"},
	} {
		if got, err := advertisedHTTP(c.http, c.advertise); got != c.want || err != nil {
			t.Errorf("HTTP at %s of a node at %s: %q and %v, want %q", c.http, c.advertise, got, err, c.want)
		}
	}
}
