package sandbox

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// sharedNetwork is what pods without a network of their own listen in: one socket for each address serves all of them. Which pod a connection or
// a datagram comes from, the kernel tells by the user of the socket at its other end; what no pod sent is dropped.
type sharedNetwork struct {
	owner func(user int) *Pod

	mu      sync.Mutex
	streams map[string]*sharedListener
	packets map[string]*sharedPackets
}

func newSharedNetwork(owner func(user int) *Pod) *sharedNetwork {
	return &sharedNetwork{owner: owner, streams: map[string]*sharedListener{}, packets: map[string]*sharedPackets{}}
}

// waiting is how many connections, or datagrams, of one pod may wait to be accepted.
const waiting = 64

// sharedListener is one socket for the connections of all pods.
type sharedListener struct {
	net.Listener
	pods shares[*podListener]
}

// podListener is a pod's share in it.
type podListener struct {
	shared   *sharedListener
	pod      *Pod
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

// listen returns the pod's share in the listener at an address, which is made for the first pod.
func (n *sharedNetwork) listen(p *Pod, network, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	shared := n.streams[address]
	if shared == nil {
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		shared = &sharedListener{Listener: listener}
		n.streams[address] = shared
		go shared.serve(n.owner)
	}
	own := &podListener{shared: shared, pod: p, accepted: make(chan net.Conn, waiting), closed: make(chan struct{})}
	if err := shared.pods.add(p, address, own); err != nil {
		return nil, err
	}
	return own, nil
}

func (l *sharedListener) serve(owner func(user int) *Pod) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: it passes
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !l.give(conn, owner) {
			conn.Close()
		}
	}
}

// give hands a connection to the pod it comes from.
func (l *sharedListener) give(conn net.Conn, owner func(user int) *Pod) (given bool) {
	user, found := socketUser("tcp", addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()))
	if !found {
		return false
	}
	l.pods.with(owner(user), func(own *podListener) {
		select {
		case own.accepted <- conn:
			given = true
		default:
		}
	})
	return given
}

func (l *podListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case conn := <-l.accepted:
		return conn, nil
	}
}

func (l *podListener) Addr() net.Addr { return l.shared.Addr() }

func (l *podListener) Close() error {
	l.once.Do(func() {
		l.shared.pods.remove(l.pod)
		close(l.closed)
		for len(l.accepted) > 0 {
			(<-l.accepted).Close()
		}
	})
	return nil
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

// close closes all sockets.
func (n *sharedNetwork) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var failures []error
	for _, shared := range n.streams {
		failures = append(failures, shared.Close())
	}
	for _, shared := range n.packets {
		failures = append(failures, shared.Close())
	}
	return errors.Join(failures...)
}
