// Package listeners keeps what a pod listens with.
package listeners

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// Open are a pod's listeners, which are closed together.
type Open struct {
	mu  sync.Mutex
	all []io.Closer
}

// Listen opens a listener with listen, for "tcp".
func (o *Open) Listen(pod, network, address string, listen func(network, address string) (net.Listener, error)) (net.Listener, error) {
	return open(o, pod, "tcp", network, address, listen)
}

// ListenPacket does the same for "udp".
func (o *Open) ListenPacket(pod, network, address string, listen func(network, address string) (net.PacketConn, error)) (net.PacketConn, error) {
	return open(o, pod, "udp", network, address, listen)
}

func open[L io.Closer](o *Open, pod, family, network, address string, listen func(network, address string) (L, error)) (listener L, err error) {
	if !strings.HasPrefix(network, family) {
		return listener, fmt.Errorf("listening in the pod %s: %w", pod, net.UnknownNetworkError(network))
	}
	if listener, err = listen(network, address); err != nil {
		return listener, fmt.Errorf("listening in the pod %s: %w", pod, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, listener)
	return listener, nil
}

// Close closes those that nobody closed.
func (o *Open) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var failures []error
	for _, listener := range o.all {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
