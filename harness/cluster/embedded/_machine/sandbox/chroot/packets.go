package chroot

import (
	"errors"
	"net"
	"sync"
	"time"
)

// sharedPackets is one socket for the datagrams of all pods.
type sharedPackets struct {
	net.PacketConn
	pods shares[*podPackets]
}

// podPackets is a pod's share in it. Deadlines have no effect.
type podPackets struct {
	*sharedPackets
	pod    *Pod
	came   chan datagram
	closed chan struct{}
	once   sync.Once
}

type datagram struct {
	data []byte
	from net.Addr
}

// longestDatagram is more than a name server is sent.
const longestDatagram = 4096

// listenPacket returns the pod's share in the socket at an address, which is
// made for the first pod.
func (n *network) listenPacket(p *Pod, family, address string) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	shared := n.packets[address]
	if shared == nil {
		packets, err := net.ListenPacket(family, address)
		if err != nil {
			return nil, err
		}
		shared = &sharedPackets{PacketConn: packets}
		n.packets[address] = shared
		go shared.serve(n)
	}
	own := &podPackets{sharedPackets: shared, pod: p, came: make(chan datagram, waiting), closed: make(chan struct{})}
	if err := shared.pods.add(p, address, own); err != nil {
		return nil, err
	}
	return own, nil
}

func (s *sharedPackets) serve(n *network) {
	for {
		data := make([]byte, longestDatagram)
		length, from, err := s.PacketConn.ReadFrom(data)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.pods.with(n.owner(from, s.LocalAddr()), func(own *podPackets) {
			select {
			case own.came <- datagram{data[:length], from}:
			default: // as a full socket does
			}
		})
	}
}

func (p *podPackets) ReadFrom(into []byte) (int, net.Addr, error) {
	select {
	case got := <-p.came:
		return copy(into, got.data), got.from, nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

func (p *podPackets) Close() error {
	p.once.Do(func() {
		p.pods.remove(p.pod)
		close(p.closed)
	})
	return nil
}

func (p *podPackets) SetDeadline(time.Time) error      { return nil }
func (p *podPackets) SetReadDeadline(time.Time) error  { return nil }
func (p *podPackets) SetWriteDeadline(time.Time) error { return nil }
