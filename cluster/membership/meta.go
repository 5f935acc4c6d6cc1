package membership

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// newID is that of a new membership of a node.
func newID(node string) string {
	return node + "-" + strconv.FormatInt(time.Now().UnixMilli(), 36) + uuid.NewString()[:4]
}

func nameOf(number int) string { return "node-" + strconv.Itoa(number) }

// metaOf is what Consul keeps of a member beside its id and address.
func metaOf(m Member) map[string]string {
	return map[string]string{
		"node": m.Node, "number": strconv.Itoa(m.Number), "name": m.Name, "http": m.HTTP,
		"weight": strconv.FormatFloat(m.Weight, 'g', -1, 64), "version": m.Version,
	}
}

// maxText is the length of a text in Consul's meta; what is longer isn't ours.
const maxText = 512

// member reads what somebody wrote into Consul.
func (i instance) member() (Member, error) {
	m := Member{
		ID: i.id, Node: i.meta["node"], Name: i.meta["name"], Address: i.address, HTTP: i.meta["http"],
		Version: i.meta["version"],
	}
	if i.health == unchecked {
		return m, errors.New("it has no check of its own")
	}
	if m.ID == "" || m.Node == "" || m.Name == "" {
		return m, errors.New("its id, node or name is missing")
	}
	if len(m.ID) > maxText || len(m.Node) > maxText || len(m.Name) > maxText {
		return m, errors.New("its id, node or name is too long")
	}
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil || host == "" || port == "0" {
		return m, fmt.Errorf("its address is %q", m.Address)
	}
	if m.Number, err = strconv.Atoi(i.meta["number"]); err != nil || m.Number < 0 || m.Number >= numbers {
		return m, fmt.Errorf("its number is %q", i.meta["number"])
	}
	if m.Weight, err = strconv.ParseFloat(i.meta["weight"], 64); err != nil || !goodWeight(m.Weight) {
		return m, fmt.Errorf("its weight is %q", i.meta["weight"])
	}
	return m, nil
}
