package node

import "sync"

// refresh tells pods to look at their volumes again.
type refresh struct {
	mu   sync.Mutex
	pods map[*pod]chan struct{}
}

func newRefresh() *refresh { return &refresh{pods: map[*pod]chan struct{}{}} }

func (r *refresh) add(p *pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods[p] = make(chan struct{}, 1)
}

func (r *refresh) remove(p *pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, p)
}

func (r *refresh) channel(p *pod) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods[p]
}

// wake makes the chosen pods compare their volumes with what they should hold.
func (r *refresh) wake(chosen func(*pod) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, c := range r.pods {
		if !chosen(p) {
			continue
		}
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
