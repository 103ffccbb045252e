package namespaces

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// loopback brings lo up and puts addresses on it, each without a network around
// it.
func loopback(addresses []netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	for _, address := range addresses {
		ip := net.IP(address.Unmap().AsSlice())
		only := &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}
		if err := netlink.AddrReplace(lo, &netlink.Addr{IPNet: only, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("adding the address %s: %w", address, err)
		}
	}
	return nil
}

// listen opens a listening or packet socket in the pod's network.
func listen(socket wire.Socket) ([]int, error) {
	var opened interface {
		File() (*os.File, error)
		Close() error
	}
	switch socket.Network {
	case "tcp", "tcp4", "tcp6":
		listener, err := net.Listen(socket.Network, socket.Address)
		if err != nil {
			return nil, err
		}
		opened = listener.(*net.TCPListener)
	case "udp", "udp4", "udp6":
		packets, err := net.ListenPacket(socket.Network, socket.Address)
		if err != nil {
			return nil, err
		}
		opened = packets.(*net.UDPConn)
	default:
		return nil, fmt.Errorf("listening on %s: unknown network %s", socket.Address, socket.Network)
	}
	defer opened.Close()
	return descriptor(opened.File())
}

// dial connects from inside the pod's network.
func dial(socket wire.Socket) ([]int, error) {
	conn, err := net.DialTimeout(socket.Network, socket.Address, time.Duration(socket.Timeout)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	file, ok := conn.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("connecting to %s: unknown network %s", socket.Address, socket.Network)
	}
	return descriptor(file.File())
}

// descriptor takes a file's descriptor out of it, for a reply.
func descriptor(file *os.File, err error) ([]int, error) {
	if err != nil {
		return nil, err
	}
	defer file.Close()
	own, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return []int{own}, nil
}
