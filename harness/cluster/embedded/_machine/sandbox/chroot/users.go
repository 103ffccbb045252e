package chroot

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Ranges of services, 127.64.0.0/16 to 127.127.0.0/16, and with each goes a
// range of 65536 host ids, from 0x70000000 on, for which systemd's list of uses
// has none (https://systemd.io/UIDS-GIDS/).
const (
	ranges         = 64
	firstLoopback  = 64
	firstUserRange = 0x7000
	rangeSize      = 65536
)

// reserve takes a range of services and one of host ids that no other runtime
// in this network has, for as long as this one lives. What runs there as one of
// these ids is this runtime's, or was left by one that was killed. It begins to
// look at a number that comes from its folder's name, so that the next runtime
// of a cluster finds what a killed one left.
func (r *Runtime) reserve() (err error) {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(r.dir))
	for i := range uint32(ranges) {
		number := int((sum.Sum32() + i) % ranges)
		block := byte(firstLoopback + number)
		// The last address of the range: nobody connects to it.
		last := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, block, 255, 255}), 443)
		if r.reserved, err = net.Listen("tcp4", last.String()); err == nil {
			r.services = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, block, 0, 0}), 16)
			r.users = newUsers((firstUserRange + number) * rangeSize)
			return nil
		}
	}
	return fmt.Errorf("looking for addresses for the cluster's services: %w", err)
}

// idsOfContainer are the first process's user, that of what is executed, and
// one who is nobody.
const idsOfContainer = 3

// users are the containers by the host ids that they have.
type users struct {
	first int // of rangeSize

	mu     sync.Mutex
	taken  int
	owners map[int]*container // by the first of their ids
}

func newUsers(first int) *users { return &users{first: first, owners: map[int]*container{}} }

// take gives a container ids that nobody has.
func (u *users) take(c *container) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		c.user = u.first + u.taken%(rangeSize/idsOfContainer)*idsOfContainer
		u.taken++
		if u.owners[c.user] == nil && idle(c.user) {
			u.owners[c.user] = c
			return
		}
	}
}

// idle reports whether nothing runs as a container's ids. What a killed runtime
// left may do so, or be dead and waited for by nobody.
func idle(first int) bool {
	for user := first; user < first+idsOfContainer; user++ {
		if _, err := unix.Getpriority(unix.PRIO_USER, user); err != unix.ESRCH {
			return false
		}
	}
	return true
}

func (u *users) release(c *container) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.owners, c.user)
}

// has reports whether a host id is in the range.
func (u *users) has(id int) bool { return id >= u.first && id < u.first+rangeSize }

// owner is the container one of whose ids this is. nil: none.
func (u *users) owner(id int) *container {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.owners[u.firstOf(id)]
}

// firstOf is the first of the ids that one belongs to.
func (u *users) firstOf(id int) int { return id - (id-u.first)%idsOfContainer }

// containers are all that have ids, by pod.
func (u *users) containers() map[*Pod][]*container {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[*Pod][]*container{}
	for _, c := range u.owners {
		all[c.pod] = append(all[c.pod], c)
	}
	return all
}
