package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/flowcontrol"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/kubelet/util/format"
	"k8s.io/utils/clock"
)

// role is what a container is in its pod.
type role int

const (
	app       role = iota
	initial        // runs before the others, to its end
	sidecar        // an init container that keeps running
	ephemeral      // added later, by kubectl debug
)

// container is one container of a pod, through all its restarts. Fields below
// the line are the pod's mutex's.
type container struct {
	pod  *pod
	spec *corev1.Container
	role role

	begun chan struct{} // closed when it has started for the first time
	once  bool          // begun is closed
	back  *flowcontrol.Backoff

	redefined chan struct{} // holds a token when the pod's object names another image

	// —
	id       string
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	tried    bool // to run; the next time is a restart
	started  bool // its startup probe has passed
	ready    bool // its readiness probe passes
	rights   *rights
	run      *run
	image    *image
	wanted   string // the image that the pod's object names
}

func newContainer(p *pod, spec *corev1.Container, as role) *container {
	c := &container{pod: p, spec: spec, role: as, begun: make(chan struct{}), redefined: make(chan struct{}, 1), wanted: spec.Image, back: newBackOff(clock.RealClock{})}
	c.state = c.waitsFirst()
	return c
}

// waitsFirst is the state of a container that has yet to be created.
func (c *container) waitsFirst() corev1.ContainerState {
	if len(c.pod.api.Spec.InitContainers) > 0 && c.role != ephemeral {
		return waiting("PodInitializing", "")
	}
	return waiting("ContainerCreating", "")
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// live runs the container again and again, until it is not to be restarted or
// ctx is done. Then what still runs of it is the pod's to stop.
func (c *container) live(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-c.redefined: // the plan is made from the newest
		default:
		}
		plan := c.plan(ctx)
		if plan == nil {
			return
		}
		ended := c.runOnce(ctx, plan)
		switch {
		case ended == nil, ctx.Err() != nil:
			return
		case c.replaced(plan):
			c.back.Reset(backOffID)
		case !c.restartable(ended.ExitCode):
			return
		default:
			c.holdBack(ctx, ended)
		}
	}
}

// runOnce starts the container and waits for its end. It is nil where ctx is
// done before.
func (c *container) runOnce(ctx context.Context, plan *plan) *corev1.ContainerStateTerminated {
	r, ended := c.create(ctx, plan)
	if r == nil {
		return ended
	}
	if err := c.postStart(ctx, r); err == nil {
		c.runs(ctx, r)
	} else if ctx.Err() == nil {
		c.record(warning("FailedPostStartHook", "PostStartHook failed"))
		c.stop("FailedPostStartHook")
	}
	if ctx.Err() != nil { // the pod left while the container was being started
		c.stop("")
	}
	<-r.ended
	return c.terminated(r)
}

// runs marks the container as running and starts its probes.
func (c *container) runs(ctx context.Context, r *run) {
	c.pod.change(func() {
		c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(r.at)}}
		c.started = c.spec.StartupProbe == nil
		c.ready = c.spec.ReadinessProbe == nil
		c.hasBegun()
	})
	c.probe(ctx, r)
}

// beginsAnew lets the next container wait for this one again.
func (c *container) beginsAnew() {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	c.begun, c.once = make(chan struct{}), false
}

// hasBegun lets the next container begin.
func (c *container) hasBegun() {
	if c.started && !c.once {
		c.once = true
		close(c.begun)
	}
}

// restartable reports whether the container is to run again after this end.
func (c *container) restartable(code int32) bool {
	switch c.role {
	case sidecar:
		return true
	case ephemeral:
		return false
	case initial:
		if code == 0 {
			return false
		}
	}
	return podutil.ContainerShouldRestart(*c.spec, c.pod.object().Spec, code)
}

// noticed is how long an end is shown before the restart; a kubelet notices it
// that late.
const noticed = 500 * time.Millisecond

// holdBack waits as a kubelet does before a container is started again.
func (c *container) holdBack(ctx context.Context, ended *corev1.ContainerStateTerminated) {
	wait, finished := noticed, ended.FinishedAt.Time
	if c.back.IsInBackOffSince(backOffID, finished) {
		delay := c.back.Get(backOffID)
		wait = delay - time.Since(finished)
		name := format.Pod(c.pod.object())
		c.record(warning("BackOff", "Back-off restarting failed container "+c.spec.Name+" in pod "+name))
		c.pod.change(func() {
			c.last = corev1.ContainerState{Terminated: ended}
			c.state = waiting("CrashLoopBackOff", "back-off "+delay.String()+" restarting failed container="+c.spec.Name+" pod="+name)
		})
	}
	select {
	case <-time.After(wait):
		c.back.Next(backOffID, finished)
	case <-c.redefined:
		c.back.Reset(backOffID)
	case <-ctx.Done():
	}
}

const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 5 * time.Minute
	backOffID    = "" // each container has a back-off of its own
)

// newBackOff is the kubelet's: the first restart is at once, then 10 s after
// the end, doubling up to 5 min. A container that ran for ten minutes starts
// over.
func newBackOff(time clock.Clock) *flowcontrol.Backoff {
	back := flowcontrol.NewBackOff(firstBackOff, maxBackOff)
	back.Clock = time
	return back
}

// succeeded reports whether an init container has done its work.
func (c *container) succeeded() bool {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
}

// finished reports whether the container has ended for good, and not with its
// sandbox.
func (c *container) finished() bool {
	c.pod.mu.Lock()
	ended := c.state.Terminated
	c.pod.mu.Unlock()
	return ended != nil && ended.Reason != unknown && !c.restartable(ended.ExitCode)
}

// currentRun is the run that can be entered, if there is one.
func (c *container) currentRun() *run {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.run
}

// newID is a container's identifier as runtimes make them.
func newID() string {
	var id [32]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
