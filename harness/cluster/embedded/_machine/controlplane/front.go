package controlplane

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"k8s.io/klog/v2"
)

// connectionsOfPod is how many connections one pod may hold open at a time, so
// that none can use up the process's file descriptors.
const connectionsOfPod = 128

// Front is the API server's listener. It accepts from the machine's loopback
// listener and from every listener added later, so that a pod's own listening
// socket leads straight to the API server.
type Front struct {
	loopback net.Listener
	accepted chan net.Conn
	closed   chan struct{}
	close    sync.Once
}

// NewFront returns a Front that accepts from loopback, whose address it has.
func NewFront(loopback net.Listener) *Front {
	f := &Front{loopback: loopback, accepted: make(chan net.Conn), closed: make(chan struct{})}
	go f.accept(loopback, netip.Addr{})
	return f
}

// Add accepts from l too, until l is closed. The API server sees remote as the
// address of each connection's other end, and its own port.
func (f *Front) Add(l net.Listener, remote netip.Addr) {
	go f.accept(netutil.LimitListener(l, connectionsOfPod), remote)
}

// Accept waits for the next connection of any listener.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case c := <-f.accepted:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Addr is the address of the loopback listener.
func (f *Front) Addr() net.Addr { return f.loopback.Addr() }

// Close closes the loopback listener; those added are their owners' to close.
func (f *Front) Close() error {
	f.close.Do(func() { close(f.closed) })
	return f.loopback.Close()
}

func (f *Front) accept(l net.Listener, remote netip.Addr) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Such as too many open files: it passes, and the API server must not end over it.
			klog.ErrorS(err, "Accepting a connection", "listener", l.Addr())
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-f.closed:
				return
			}
		}
		if remote.IsValid() {
			c = podConn{Conn: c, remote: withPort(remote, c.RemoteAddr())}
		}
		select {
		case f.accepted <- c:
		case <-f.closed:
			c.Close()
			return
		}
	}
}

// podConn is a connection that comes from a pod's network.
type podConn struct {
	net.Conn
	remote net.Addr
}

func (c podConn) RemoteAddr() net.Addr { return c.remote }

func withPort(ip netip.Addr, from net.Addr) net.Addr {
	port := uint16(0)
	if tcp, ok := from.(*net.TCPAddr); ok {
		port = tcp.AddrPort().Port()
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port))
}
