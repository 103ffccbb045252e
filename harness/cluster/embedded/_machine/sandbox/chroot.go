package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rightsOfChroot are the capabilities that MappingChroot takes, by number.
var rightsOfChroot = []struct {
	name   string
	number uint
}{
	{"CAP_CHOWN", unix.CAP_CHOWN}, {"CAP_DAC_OVERRIDE", unix.CAP_DAC_OVERRIDE}, {"CAP_FOWNER", unix.CAP_FOWNER}, {"CAP_KILL", unix.CAP_KILL},
	{"CAP_SETGID", unix.CAP_SETGID}, {"CAP_SETUID", unix.CAP_SETUID}, {"CAP_NET_BIND_SERVICE", unix.CAP_NET_BIND_SERVICE},
	{"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT}, {"CAP_MKNOD", unix.CAP_MKNOD},
}

// mayChroot says which right this process lacks for pods that are chroots. nil: none.
func mayChroot() error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root")
	}
	var effective uint64
	for line := range strings.Lines(setting("/proc/self/status")) {
		if digits, ok := strings.CutPrefix(line, "CapEff:"); ok {
			effective, _ = strconv.ParseUint(strings.TrimSpace(digits), 16, 64) // not a number: no rights
		}
	}
	for _, right := range rightsOfChroot {
		if effective&(1<<right.number) == 0 {
			return fmt.Errorf("it needs %s", right.name)
		}
	}
	return nil
}

// tryChroot makes a room and ends it.
func (r *Runtime) tryChroot(ctx context.Context) error {
	if err := mayChroot(); err != nil {
		return err
	}
	if r.Dir == "" {
		return errors.New("it needs a folder, but Runtime.Dir is empty")
	}
	if err := os.RemoveAll(r.Dir); err != nil { // what a killed node left
		return fmt.Errorf("removing old rooms: %w", err)
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return err
	}
	if err := r.reserve(); err != nil {
		return err
	}
	p := r.startRooms(PodSpec{Name: "try", PIDs: defaultPIDs})
	room, err := p.rooms.enter(ContainerSpec{Name: "try"})
	if err != nil {
		return errors.Join(err, p.Close())
	}
	room.agent, err = r.startRoom(ctx, room, p.spec)
	return errors.Join(err, p.Close())
}

// chrootSupport is what MappingChroot gives; it begins to watch the rooms to come.
func (r *Runtime) chrootSupport(reason error) *Support {
	r.network, r.stop = newSharedNetwork(r.ownerOf), make(chan struct{})
	go r.watchRooms(r.stop)
	return &Support{
		Mapping: MappingChroot, Memory: LimitWatch, PIDs: LimitRlimit, CPU: LimitNone,
		Weaker: weakerChroot(), Why: reason.Error(), Missing: "pods have no namespaces here",
	}
}

// weakerChroot says what MappingChroot does not give.
func weakerChroot() string {
	text := "pods are chroots with users of their own, not namespaces: they have no /proc, and see this machine's host name and its network"
	if !restrictsNetwork() {
		return text + ", on which they can connect to anything, since this kernel has no Landlock 4 (Linux 6.7)"
	}
	return text + ", on which they can connect to ports 443 and 53 and send any datagram"
}

// restrictsNetwork reports whether Landlock can keep pods from connecting and listening.
func restrictsNetwork() bool {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && version >= 4
}

// OwnServices is the range of the cluster's services where pods have a network of their own.
var OwnServices = netip.MustParsePrefix("10.96.0.0/16")

// Ranges of services where pods share this machine's network: 127.FIRST.0.0/16 to 127.LAST.0.0/16.
const (
	firstLoopback = 64
	lastLoopback  = 127
)

// Services returns the range from which the cluster's services have to get their addresses, of which the first is the API server's: where pods
// share this machine's network it is a loopback range that no other runtime has, for as long as this one lives.
func (r *Runtime) Services(ctx context.Context) (netip.Prefix, error) {
	support, err := r.Support(ctx)
	if err != nil {
		return netip.Prefix{}, err
	}
	if support.Mapping != MappingChroot {
		return OwnServices, nil
	}
	return r.services, nil
}

// reserve takes a range of services and one of host ids that no other runtime in this network has, for as long as this one lives. What runs there as
// one of these ids is this runtime's, or was left by one that was killed.
func (r *Runtime) reserve() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number := range lastLoopback - firstLoopback + 1 {
		first := netip.AddrFrom4([4]byte{127, byte(firstLoopback + number), 0, 0})
		// The last address of the range: nobody connects to it.
		last := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(firstLoopback + number), 255, 255}), 443)
		if r.reserved, err = net.Listen("tcp4", last.String()); err == nil {
			r.services, r.first = netip.PrefixFrom(first, 16), uint32(firstReserved+number)*rangeSize
			return nil
		}
	}
	return fmt.Errorf("looking for addresses for the cluster's services: %w", err)
}

// dialShared connects to what a pod serves in the machine's network. Whatever else listens there is not the pod's.
func (r *Runtime) dialShared(ctx context.Context, p *Pod, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if slot := p.spec.Addresses; len(slot) > 0 && host == slot[0].String() || host == "localhost" {
		host = "127.0.0.1"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	user, found := socketUser("tcp", addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()))
	if found && r.ownerOf(user) == p {
		return conn, nil
	}
	conn.Close()
	return nil, &net.OpError{Op: "dial", Net: network, Addr: conn.RemoteAddr(), Err: os.NewSyscallError("connect", unix.ECONNREFUSED)}
}

// takeRoom gives a pod ids for another container: host ids as hostIDs has them.
func (r *Runtime) takeRoom(p *Pod) (user int) {
	first := r.hostIDs()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		user = first + r.taken%(rangeSize/idsOfRoom)*idsOfRoom
		r.taken++
		if r.owners[user] == nil && idle(user) {
			if r.owners == nil {
				r.owners = map[int]*Pod{}
			}
			r.owners[user] = p
			return user
		}
	}
}

// idle reports whether nothing runs as a room's ids. What a killed runtime left may do so, or be dead and waited for by nobody.
func idle(first int) bool {
	for user := first; user < first+idsOfRoom; user++ {
		if _, err := unix.Getpriority(unix.PRIO_USER, user); err != unix.ESRCH {
			return false
		}
	}
	return true
}

func (r *Runtime) leaveRoom(user int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owners, user)
}

// ownerOf is the pod one of whose containers' processes is this user. nil: none.
func (r *Runtime) ownerOf(user int) *Pod {
	first := r.hostIDs()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners[user-(user-first)%idsOfRoom]
}

// hostname is the machine's, which pods see for their own where they have no namespaces.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// named adds that name to a pod's hosts file, so that a program that looks for its own address finds the pod's.
func (p *Pod) named(files map[string][]byte) map[string][]byte {
	const hosts = "/etc/hosts"
	content, given := files[hosts]
	if !given || len(p.spec.Addresses) == 0 {
		return files
	}
	changed := map[string][]byte{}
	for name, other := range files {
		changed[name] = other
	}
	changed[hosts] = fmt.Appendf(content[:len(content):len(content)], "%s\t%s\n", p.spec.Addresses[0], hostname())
	return changed
}
