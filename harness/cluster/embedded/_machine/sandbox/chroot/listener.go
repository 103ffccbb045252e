package chroot

import (
	"errors"
	"net"
	"sync"
	"time"
)

// network is what pods without a network of their own listen in: one socket for
// each address serves all of them. Which pod a connection or a datagram comes
// from, the kernel tells by the user of the socket at its other end; what no
// pod sent is dropped.
type network struct {
	users  *users
	userOf socketUser

	mu      sync.Mutex
	streams map[string]*sharedListener
	packets map[string]*sharedPackets
}

func newNetwork(users *users, userOf socketUser) *network {
	return &network{users: users, userOf: userOf, streams: map[string]*sharedListener{}, packets: map[string]*sharedPackets{}}
}

// owner is the pod whose socket has these ends, the first its own. nil: none's.
func (n *network) owner(local, remote net.Addr) *Pod {
	user, err := n.userOf(local, remote)
	if err != nil {
		return nil // it is closed by now
	}
	if c := n.users.owner(user); c != nil {
		return c.pod
	}
	return nil
}

// waiting is how many connections, or datagrams, of one pod may wait to be
// accepted.
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

// listen returns the pod's share in the listener at an address, which is made
// for the first pod.
func (n *network) listen(p *Pod, family, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	shared := n.streams[address]
	if shared == nil {
		listener, err := net.Listen(family, address)
		if err != nil {
			return nil, err
		}
		shared = &sharedListener{Listener: listener}
		n.streams[address] = shared
		go shared.serve(n)
	}
	own := &podListener{shared: shared, pod: p, accepted: make(chan net.Conn, waiting), closed: make(chan struct{})}
	if err := shared.pods.add(p, address, own); err != nil {
		return nil, err
	}
	return own, nil
}

func (l *sharedListener) serve(n *network) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: it passes
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !l.give(conn, n) {
			conn.Close()
		}
	}
}

// give hands a connection to the pod it comes from.
func (l *sharedListener) give(conn net.Conn, n *network) (given bool) {
	l.pods.with(n.owner(conn.RemoteAddr(), conn.LocalAddr()), func(own *podListener) {
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

// close closes all sockets.
func (n *network) close() error {
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
