package node

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// run is the pod's life. It returns when nothing of it runs any more.
func (p *pod) run() {
	defer close(p.stopped)
	go p.enforceDeadline()
	if r := refused(p.object()); r != nil {
		p.refuse(r)
		return
	}
	if p.prepare() && p.initialize() {
		p.runApps()
	}
	p.end()
}

// refuse leaves the pod as it is, with a word on what it cannot have here.
func (p *pod) refuse(r *refusal) {
	p.record("", warning("NotSupported", r.message))
	p.change(func() {
		if r.failed {
			p.failure = &failure{r.reason, r.message}
			return
		}
		for _, c := range p.containers {
			c.state = waiting(r.reason, r.message)
		}
	})
	if !r.failed {
		<-p.running.Done()
	}
}

// initialize runs the init containers one after the other, and starts those
// that run beside the others. It is false where the pod is not to go on.
func (p *pod) initialize() bool {
	for _, c := range p.of(initial, sidecar) {
		ended := p.start(c)
		if c.role == sidecar {
			ended = c.begun
		}
		select {
		case <-ended:
		case <-p.running.Done():
			return false
		}
		if c.role == initial && !c.succeeded() {
			return false
		}
	}
	return p.running.Err() == nil
}

// runApps runs the pod's proper containers until each has ended for good or
// the pod has to leave.
func (p *pod) runApps() {
	var ends []<-chan struct{}
	for _, c := range p.of(app) {
		ends = append(ends, p.start(c))
	}
	for _, ended := range ends {
		select {
		case <-ended:
		case <-p.running.Done():
			return
		}
	}
}

// start begins a container's life; the channel is closed at its end.
func (p *pod) start(c *container) <-chan struct{} {
	ended := make(chan struct{})
	p.lives.Go(func() {
		defer close(ended)
		c.live(p.running)
	})
	return ended
}

// end stops what still runs, in the kubelet's order: sidecars last, in reverse.
func (p *pod) end() {
	p.mu.Lock()
	if !p.leaving { // it ended by itself; what it left running has the usual grace
		p.leaving = true
		p.grace = time.Now().Add(gracePeriod(p.api))
	}
	p.mu.Unlock()
	p.leave()

	var others sync.WaitGroup
	for _, c := range p.of(initial, app, ephemeral) {
		others.Go(func() { c.stop("") })
	}
	others.Wait()
	sidecars := p.of(sidecar)
	for i := range sidecars {
		sidecars[len(sidecars)-1-i].stop("")
	}
	p.lives.Wait()
	p.mu.Lock()
	sandbox := p.sandbox
	p.sandbox, p.prepared = nil, false
	p.mu.Unlock()
	if sandbox != nil {
		sandbox.Close()
	}
	p.changed()
}

// gracePeriod is what the pod's processes have between the request to end and
// their end.
func gracePeriod(pod *corev1.Pod) time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if pod.DeletionGracePeriodSeconds != nil {
		seconds = *pod.DeletionGracePeriodSeconds
	} else if pod.Spec.TerminationGracePeriodSeconds != nil {
		seconds = *pod.Spec.TerminationGracePeriodSeconds
	}
	return time.Duration(seconds) * time.Second
}

// enforceDeadline fails the pod when activeDeadlineSeconds have passed.
func (p *pod) enforceDeadline() {
	for {
		seconds := p.object().Spec.ActiveDeadlineSeconds
		left := time.Second
		if seconds != nil {
			left = min(left, time.Until(p.arrived.Add(time.Duration(*seconds)*time.Second)))
		}
		if left <= 0 {
			break
		}
		select {
		case <-p.running.Done():
			return
		case <-time.After(left):
		}
	}
	const message = "Pod was active on the node longer than the specified deadline"
	p.record("", normal("DeadlineExceeded", message))
	p.mu.Lock()
	p.failure = &failure{"DeadlineExceeded", message}
	p.mu.Unlock()
	p.depart(gracePeriod(p.object()))
}
