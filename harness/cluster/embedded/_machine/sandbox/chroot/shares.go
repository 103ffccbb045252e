package chroot

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// shares are the pods' shares in one socket.
type shares[S any] struct {
	mu   sync.Mutex
	pods map[*Pod]S
}

// add gives a pod its share in the socket at an address. It can have one.
func (s *shares[S]) add(p *Pod, address string, own S) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, has := s.pods[p]; has {
		return fmt.Errorf("listening on %s: %w", address, unix.EADDRINUSE)
	}
	if s.pods == nil {
		s.pods = map[*Pod]S{}
	}
	s.pods[p] = own
	return nil
}

// with calls use with a pod's share if it has one, which is not taken away
// meanwhile.
func (s *shares[S]) with(p *Pod, use func(own S)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, has := s.pods[p]; has {
		use(own)
	}
}

func (s *shares[S]) remove(p *Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, p)
}
