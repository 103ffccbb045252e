package node

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
)

// probeKind is what a probe decides.
type probeKind string

const (
	startup   probeKind = "Startup"
	liveness  probeKind = "Liveness"
	readiness probeKind = "Readiness"
)

// prober asks one container one question, again and again.
type prober struct {
	c    *container
	run  *run
	kind probeKind
	spec *corev1.Probe

	last probe.Result
	same int // how often in a row the last result came
}

// probe starts the container's probes. They end with the run; those that could
// have it killed end with ctx, when the pod leaves.
func (c *container) probe(ctx context.Context, r *run) {
	leaving, stop := context.WithCancel(ctx)
	ended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		<-r.ended
		stop()
		cancel()
	}()
	for kind, spec := range map[probeKind]*corev1.Probe{
		startup: c.spec.StartupProbe, liveness: c.spec.LivenessProbe, readiness: c.spec.ReadinessProbe,
	} {
		if spec == nil {
			continue
		}
		until := leaving
		if kind == readiness {
			until = ended
		}
		go (&prober{c: c, run: r, kind: kind, spec: spec}).work(until)
	}
}

// work asks at once and then in the probe's period. Liveness and readiness
// begin when the container has started up.
func (p *prober) work(ctx context.Context) {
	if delay := time.Duration(p.spec.InitialDelaySeconds) * time.Second; delay > 0 && !p.c.idle(ctx, delay) {
		return
	}
	if p.kind != startup && p.c.spec.StartupProbe != nil && !p.awaitStartup(ctx) {
		return
	}
	ticker := time.NewTicker(time.Duration(max(1, p.spec.PeriodSeconds)) * time.Second)
	defer ticker.Stop()
	for p.ask(ctx) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *prober) awaitStartup(ctx context.Context) bool {
	for !p.c.hasStarted() {
		if !p.c.idle(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return true
}

func (c *container) hasStarted() bool {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.started
}

// ask is false where the probe has nothing more to ask.
func (p *prober) ask(ctx context.Context) bool {
	result, output, err := p.c.check(ctx, p.run, p.kind, p.spec)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		p.c.record(warning("Unhealthy", fmt.Sprintf("%s probe errored and resulted in %s state: %s", p.kind, result, err)))
		return true
	case result == probe.Warning:
		p.c.record(warning("ProbeWarning", fmt.Sprintf("%s probe warning: %s", p.kind, output)))
		result = probe.Success
	case result != probe.Success:
		p.c.record(warning("Unhealthy", fmt.Sprintf("%s probe failed: %s", p.kind, output)))
		result = probe.Failure
	}
	if result != p.last {
		p.last, p.same = result, 0
	}
	p.same++
	needed := p.spec.SuccessThreshold
	if result == probe.Failure {
		needed = p.spec.FailureThreshold
	}
	if p.same < int(max(1, needed)) {
		return true
	}
	return p.conclude(result == probe.Success)
}

// conclude acts on a result that came often enough.
func (p *prober) conclude(holds bool) bool {
	c := p.c
	switch {
	case p.kind == readiness:
		c.pod.mu.Lock()
		differs := c.run == p.run && c.ready != holds
		c.pod.mu.Unlock()
		if differs {
			c.pod.change(func() { c.ready = holds })
		}
		return true
	case p.kind == startup && holds:
		c.pod.change(func() {
			c.started = true
			c.hasBegun()
		})
		return false
	case holds:
		return true
	}
	c.stopUnhealthy(p.kind, p.spec)
	return false
}

// stopUnhealthy ends a container that failed its probe; its restart policy
// decides what follows.
func (c *container) stopUnhealthy(kind probeKind, spec *corev1.Probe) {
	why := fmt.Sprintf("Container %s failed %s probe", c.spec.Name, map[probeKind]string{liveness: "liveness", startup: "startup"}[kind])
	if c.restartable(1) {
		why += ", will be restarted"
	}
	c.stopWithin(why, spec.TerminationGracePeriodSeconds)
}
