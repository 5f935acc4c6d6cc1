// Package membership knows who the members of a cluster are, and in which
// order they own what. A node alone is its own only member; otherwise Consul
// has the list, and this package keeps the node in it, and tells of changes.
//
// # What is in Consul
//
// With the service name "barrage":
//
//	service barrage        one instance for each membership, with a TTL check
//	service barrage-http   the same nodes' HTTP addresses, for balancers
//	barrage/cluster/epoch  which life of Consul's state this is
//	barrage/cluster/gone/* ids of memberships that have ended
//	barrage/numbers/*      which node has which number
//
// # Who is a member
//
// Every node works the view out from Consul alone, so that all come to the
// same: an instance that makes sense, whose id has no mark under gone, and that
// no later registration of the same node or address has replaced. Whoever wants
// to have a member out marks its id, and reads again. So a node that was thought
// dead finds its mark when it comes back, whatever happened meanwhile, and joins
// under a new id; no id that was out is ever in again.
//
//   - A node that leaves marks itself: it is gone at once.
//   - A member whose check is critical is marked at once by whoever has been in
//     touch with Consul for a while, with readings and with updates. Right after
//     an absence of Consul's all checks may have run out, and prove nothing:
//     members are given half of the failure timeout to say that they live.
//   - A check that is critical without having run out is that of an agent which
//     has just started; its member has two failure timeouts.
//   - A member that is missing without a mark has the same: Consul may have
//     lost its state, and members register again. They keep their ids.
//
// A view's Revision is the epoch, and below it Consul's indexes of instances
// and marks. The epoch is raised by whoever finds it missing or indexes that
// went back, so that the Revision rises although Consul's indexes began anew.
//
// # Access
//
// With ACLs the token needs
//
//	service_prefix "barrage" { policy = "write" }
//	key_prefix "barrage/"    { policy = "write" }
//	node_prefix ""           { policy = "read" }
//
// Without the last one Consul leaves the instances out of its answers.
package membership
