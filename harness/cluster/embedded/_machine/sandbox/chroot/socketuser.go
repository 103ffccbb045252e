package chroot

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink/nl"

	"golang.org/x/sys/unix"
)

// socketUser finds the user of a socket of this machine: local is its own end,
// and remote the other, for UDP the one that sends to it.
type socketUser func(local, remote net.Addr) (user int, err error)

// newSocketUser picks the way to find users: one look-up in the kernel's
// tables, however many sockets there are, or the tables themselves where the
// kernel lacks that. It tries with a socket that listens.
func newSocketUser(listening net.Addr) (socketUser, error) {
	packets, err := net.ListenPacket("udp4", addrPort(listening).String())
	if err != nil {
		return nil, err
	}
	defer packets.Close()
	_, errTCP := diagnosedUser(listening, &net.TCPAddr{IP: net.IPv4zero})
	_, errUDP := diagnosedUser(packets.LocalAddr(), packets.LocalAddr())
	if errTCP != nil || errUDP != nil {
		return tableUser, nil
	}
	return diagnosedUser, nil
}

// diagnosis is struct inet_diag_req_v2 (sock_diag(7)).
type diagnosis struct {
	family, protocol    uint8
	source, destination netip.AddrPort
}

// Sizes of it, and of struct inet_diag_msg, in which the ports are at 4 and the
// user at 64.
const (
	diagnosisSize = 56
	answerSize    = 72
	portsOffset   = 4
	userOffset    = 64
)

// Len implements nl.NetlinkRequestData.
func (d diagnosis) Len() int { return diagnosisSize }

// Serialize implements nl.NetlinkRequestData.
func (d diagnosis) Serialize() []byte {
	data := make([]byte, 8, diagnosisSize)
	data[0], data[1] = d.family, d.protocol
	binary.NativeEndian.PutUint32(data[4:], ^uint32(0)) // in any state
	data = binary.BigEndian.AppendUint16(data, d.source.Port())
	data = binary.BigEndian.AppendUint16(data, d.destination.Port())
	for _, end := range []netip.AddrPort{d.source, d.destination} {
		address := make([]byte, 16)
		copy(address, end.Addr().AsSlice())
		data = append(data, address...)
	}
	data = binary.NativeEndian.AppendUint32(data, 0)          // on any interface
	return binary.NativeEndian.AppendUint64(data, ^uint64(0)) // INET_DIAG_NOCOOKIE
}

// diagnosedUser asks the kernel for one socket.
func diagnosedUser(local, remote net.Addr) (int, error) {
	own, other := addrPort(local), addrPort(remote)
	asked := diagnosis{family: unix.AF_INET, protocol: unix.IPPROTO_TCP, source: own, destination: other}
	if own.Addr().Is6() {
		asked.family = unix.AF_INET6
	}
	connected := true
	if _, isUDP := local.(*net.UDPAddr); isUDP { // the kernel has the two the other way round, for historical reasons
		asked.protocol, asked.source, asked.destination, connected = unix.IPPROTO_UDP, other, own, false
	}
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0)
	request.AddData(asked)
	answers, err := request.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if err != nil {
		return 0, err
	}
	if len(answers) != 1 || len(answers[0]) < answerSize {
		return 0, unix.EBADMSG
	}
	// Of TCP the kernel finds what listens if there is no such connection.
	ports := answers[0][portsOffset:]
	if binary.BigEndian.Uint16(ports) != own.Port() || connected && binary.BigEndian.Uint16(ports[2:]) != other.Port() {
		return 0, unix.ENOENT
	}
	return int(binary.NativeEndian.Uint32(answers[0][userOffset:])), nil
}

// tableUser looks a socket up in the kernel's tables, in those for IPv6 too:
// such a socket may speak IPv4.
func tableUser(local, remote net.Addr) (int, error) {
	kernel, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	own, other := addrPort(local), addrPort(remote)
	if _, isUDP := local.(*net.UDPAddr); isUDP {
		for _, read := range []func() (procfs.NetUDP, error){kernel.NetUDP, kernel.NetUDP6} {
			lines, err := read()
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return 0, err
			}
			for _, line := range lines {
				address, _ := netip.AddrFromSlice(line.LocalAddr)
				if uint16(line.LocalPort) == own.Port() && (address.Unmap() == own.Addr() || address.IsUnspecified()) {
					return int(line.UID), nil
				}
			}
		}
		return 0, unix.ENOENT
	}
	for _, read := range []func() (procfs.NetTCP, error){kernel.NetTCP, kernel.NetTCP6} {
		lines, err := read()
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
		for _, line := range lines {
			if sameEnd(line.LocalAddr, line.LocalPort, own) && sameEnd(line.RemAddr, line.RemPort, other) {
				return int(line.UID), nil
			}
		}
	}
	return 0, unix.ENOENT
}

func sameEnd(ip net.IP, port uint64, end netip.AddrPort) bool {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap() == end.Addr() && uint16(port) == end.Port()
}

// addrPort is a socket's address, IPv4 as such.
func addrPort(address net.Addr) netip.AddrPort {
	var a netip.AddrPort
	switch address := address.(type) {
	case *net.TCPAddr:
		a = address.AddrPort()
	case *net.UDPAddr:
		a = address.AddrPort()
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
