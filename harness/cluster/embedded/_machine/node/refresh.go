package node

import "sync"

// refresh tells pods to look at their volumes again.
type refresh struct {
	mu   sync.Mutex
	pods map[*pod]chan struct{}
}

func newRefresh() *refresh { return &refresh{pods: map[*pod]chan struct{}{}} }

// add returns the channel on which a pod is told, until it is removed or the
// pod has another.
func (r *refresh) add(p *pod) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := make(chan struct{}, 1)
	r.pods[p] = told
	return told
}

func (r *refresh) remove(p *pod, told chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pods[p] == told {
		delete(r.pods, p)
	}
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
