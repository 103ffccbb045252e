package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// loopbackIndex is lo in every network namespace: it is made with it.
const loopbackIndex = 1

// loopback brings lo up and puts addresses on it.
func loopback(addresses []netip.Addr) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening a netlink socket: %w", err)
	}
	defer unix.Close(socket)
	up := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(up[4:], loopbackIndex)
	binary.NativeEndian.PutUint32(up[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(up[12:], unix.IFF_UP)
	if err := netlink(socket, unix.RTM_NEWLINK, 0, up); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	for _, address := range addresses {
		if err := netlink(socket, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, newAddress(address.Unmap())); err != nil {
			return fmt.Errorf("adding the address %s: %w", address, err)
		}
	}
	return nil
}

// newAddress is a RTM_NEWADDR message's body: the address alone, no network around it.
func newAddress(address netip.Addr) []byte {
	family := byte(unix.AF_INET)
	if address.Is6() {
		family = unix.AF_INET6
	}
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0], body[1], body[2] = family, byte(address.BitLen()), unix.IFA_F_NODAD
	binary.NativeEndian.PutUint32(body[4:], loopbackIndex)
	for _, kind := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+len(address.AsSlice())))
		body = binary.NativeEndian.AppendUint16(body, kind)
		body = append(body, address.AsSlice()...)
	}
	return body
}

// netlink sends one request and reads the kernel's answer to it.
func netlink(socket int, kind, flags uint16, body []byte) error {
	message := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	message = append(message, make([]byte, 8)...) // sequence number and port: one request at a time needs neither
	message = append(message, body...)
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return errors.New("the kernel's answer is too short")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
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
