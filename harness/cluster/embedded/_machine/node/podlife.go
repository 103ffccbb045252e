package node

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// run is the pod's life. It returns when nothing of it runs any more.
func (p *pod) run() {
	defer close(p.stopped)
	go p.enforceDeadline()
	r := refused(p.object())
	if r == nil && !p.node.sandboxes.servers() {
		r = refusedServer(p.object())
	}
	if r != nil {
		p.refuse(r)
		return
	}
	p.tellCeilings()
	if p.settle() {
		for p.prepare() && p.runContainers() {
		}
	}
	p.end()
}

// refuse leaves the pod as it is, with a word on what it cannot have here.
func (p *pod) refuse(r *refusal) {
	p.record("", warning(notSupported, r.message))
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

// runContainers runs the pod's containers in its sandbox. It is true where the
// sandbox has ended and the pod is to have another.
func (p *pod) runContainers() (again bool) {
	p.mu.Lock()
	inside := p.inside
	p.mu.Unlock()
	if p.initialize(inside) {
		p.runApps(inside)
	}
	ended := inside.Err() != nil || p.lost()
	return ended && p.running.Err() == nil && !p.finished() && p.replaceSandbox()
}

// lost reports whether a container ended with the sandbox, which is known a
// moment before the sandbox's own end is.
func (p *pod) lost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.containers, func(c *container) bool {
		return c.role != ephemeral && c.state.Terminated != nil && c.state.Terminated.Reason == unknown
	})
}

// finished reports whether each of the pod's proper containers has ended for good.
func (p *pod) finished() bool {
	for _, c := range p.of(app) {
		if !c.finished() {
			return false
		}
	}
	return true
}

// initialize runs the init containers one after the other, and starts those
// that run beside the others. It is false where the pod is not to go on.
func (p *pod) initialize(inside context.Context) bool {
	for _, c := range p.of(initial, sidecar) {
		ended := p.start(c)
		if c.role == sidecar {
			ended = c.begun
		}
		select {
		case <-ended:
		case <-inside.Done():
			return false
		}
		if c.role == initial && !c.succeeded() {
			return false
		}
	}
	return inside.Err() == nil
}

// runApps runs the pod's proper containers until each has ended for good or
// cannot go on.
func (p *pod) runApps(inside context.Context) {
	var ends []<-chan struct{}
	for _, c := range p.of(app) {
		if !c.succeeded() || c.restartable(0) { // in another sandbox before
			ends = append(ends, p.start(c))
		}
	}
	for _, ended := range ends {
		select {
		case <-ended:
		case <-inside.Done():
			return
		}
	}
}

// start begins a container's life; the channel is closed at its end. Where the
// pod has no sandbox, or is to leave it, that is at once.
func (p *pod) start(c *container) <-chan struct{} {
	ended := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open {
		close(ended)
		return ended
	}
	inside := p.inside
	p.lives.Go(func() {
		defer close(ended)
		c.live(inside)
	})
	return ended
}

// shut lets no further container start, so that the lives can be waited for.
func (p *pod) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

// replaceSandbox clears up after a sandbox that has ended by itself, with all
// that ran in it, and reports whether the pod's restart policy lets it have
// another. What was in its volumes is lost.
func (p *pod) replaceSandbox() bool {
	p.shut()
	p.closeSandbox()
	p.lives.Wait()
	if p.object().Spec.RestartPolicy == corev1.RestartPolicyNever {
		p.change(func() {
			p.failure = &failure{sandboxChanged, "The pod's sandbox ended by itself, and the restart policy allows no other."}
		})
		return false
	}
	p.record("", normal(sandboxChanged, "Pod sandbox changed, it will be killed and re-created."))
	for _, c := range p.of(sidecar) {
		c.beginsAnew()
	}
	now, wait := time.Now(), time.Duration(0)
	if p.back.IsInBackOffSince(backOffID, now) {
		wait = p.back.Get(backOffID)
	}
	select {
	case <-time.After(wait):
		p.back.Next(backOffID, now)
		return true
	case <-p.running.Done():
		return false
	}
}

// sandboxChanged is the kubelet's reason for replacing a sandbox.
const sandboxChanged = "SandboxChanged"

// end stops what still runs, and ends the sandbox when all has ended, or a
// second after it should have.
func (p *pod) end() {
	p.mu.Lock()
	if !p.leaving { // it ended by itself; what it left running has the usual grace
		p.leaving = true
		p.grace = time.Now().Add(gracePeriod(p.api))
	}
	p.mu.Unlock()
	p.leave()
	p.shut()
	lived := make(chan struct{})
	go func() {
		defer close(lived)
		p.stopContainers()
		p.lives.Wait()
	}()
	p.await(lived)
	p.closeSandbox()
	<-lived
	p.changed()
}

// stopContainers stops what still runs, in the kubelet's order: sidecars last,
// in reverse.
func (p *pod) stopContainers() {
	var others sync.WaitGroup
	for _, c := range p.of(initial, app, ephemeral) {
		others.Go(func() { c.stop("") })
	}
	others.Wait()
	sidecars := p.of(sidecar)
	for i := range sidecars {
		sidecars[len(sidecars)-1-i].stop("")
	}
}

// overdue is how long after its kill a container may be without an end.
const overdue = time.Second

// await waits until the containers' lives are over or overdue.
func (p *pod) await(lived <-chan struct{}) {
	p.mu.Lock()
	left := max(time.Until(p.grace), minimumGrace)
	p.mu.Unlock()
	left += time.Duration(len(p.of(sidecar))) * minimumGrace
	select {
	case <-lived:
		return
	case <-time.After(left):
	case <-p.killing:
	}
	select {
	case <-lived:
	case <-time.After(overdue):
	}
}

// closeSandbox ends the sandbox, and with it all that is left in it.
func (p *pod) closeSandbox() {
	p.mu.Lock()
	sandbox := p.sandbox
	p.sandbox, p.prepared = nil, false
	p.mu.Unlock()
	if sandbox == nil {
		return
	}
	if err := sandbox.Close(); err != nil {
		klog.ErrorS(err, "Ending a pod's sandbox", "pod", p.key)
	}
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
