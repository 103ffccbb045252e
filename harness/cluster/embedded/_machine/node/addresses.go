package node

import (
	"errors"
	"net/netip"
	"sync"
)

// addresses hands out pods' addresses. One that was given back is used again
// only after all others, so that an old pod's requests are not taken for a new
// one's.
type addresses struct {
	mu   sync.Mutex
	next netip.Addr
	used map[netip.Addr]bool
}

var podNetwork = netip.MustParsePrefix("10.244.0.0/16")

func newAddresses() *addresses {
	return &addresses{next: podNetwork.Addr().Next(), used: map[netip.Addr]bool{}}
}

func (a *addresses) take() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range 1 << (32 - podNetwork.Bits()) {
		candidate := a.next.Next()
		if !podNetwork.Contains(candidate.Next()) { // the last one is for broadcasts
			candidate = podNetwork.Addr().Next().Next()
		}
		a.next = candidate
		if !a.used[candidate] {
			a.used[candidate] = true
			return candidate, nil
		}
	}
	return netip.Addr{}, errors.New("no address is left for another pod")
}

func (a *addresses) giveBack(address netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, address)
}
