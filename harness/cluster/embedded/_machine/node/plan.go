package node

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rolecall.build/machine/sandbox"
)

// plan is a container that can be created.
type plan struct {
	image  *image
	asked  string // the image, as the pod names it
	rights rights
	spec   sandbox.ContainerSpec
}

// retry is how often the node looks again for what a container lacks. The
// kubelet's events say so less often.
const (
	retry      = time.Second
	eventAgain = 10 * time.Second
)

// plan finds all that the container needs. While something is missing the
// container waits and says for what. It is nil when ctx is done.
func (c *container) plan(ctx context.Context) *plan {
	found, asked := c.findImage(ctx)
	if found == nil {
		return nil
	}
	var told string
	var at time.Time
	for {
		planned, err := c.configure(ctx, found)
		if err == nil {
			planned.asked = asked
			return planned
		}
		if told != err.Error() || time.Since(at) > eventAgain {
			told, at = err.Error(), time.Now()
			c.record(warning("Failed", "Error: "+told))
		}
		c.waits(cannotCreate, told)
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return nil
		}
	}
}

// findImage waits, as long as it takes, for an image that the node does not
// have: an update of the pod may name another.
func (c *container) findImage(ctx context.Context) (found *image, asked string) {
	delay := pullShown
	for {
		definition := c.definition()
		held, events, err := c.pod.node.images.find(&definition)
		c.record(events...)
		if err == nil {
			return held, definition.Image
		}
		var missing *pull
		errors.As(err, &missing)
		c.record(missing.events...)
		c.waits(missing.reason, missing.message)
		if missing.reason == "ErrImagePull" {
			if !c.idle(ctx, delay) {
				return nil, ""
			}
			again := missing.again(definition.Image)
			c.record(again.events...)
			c.waits(again.reason, again.message)
		}
		delay = min(max(2*delay, firstBackOff), maxBackOff)
		select {
		case <-time.After(delay):
		case <-c.redefined:
			delay = pullShown
		case <-ctx.Done():
			return nil, ""
		}
	}
}

func (c *container) idle(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// waits shows why the container does not run. What ended before stays known.
func (c *container) waits(reason, message string) {
	c.pod.change(func() {
		if c.state.Terminated != nil {
			c.last = c.state
		}
		c.state = waiting(reason, message)
	})
}

// lacks shows in each container that the pod cannot have one yet, and why.
func (p *pod) lacks(err error) {
	p.change(func() {
		for _, c := range p.containers {
			if c.state.Waiting != nil {
				c.state = waiting(nodeFailure, err.Error())
			}
		}
	})
}

// lacksNothing takes back what lacks has shown.
func (p *pod) lacksNothing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.containers {
		if c.state.Waiting != nil && c.state.Waiting.Reason == nodeFailure {
			c.state = c.waitsFirst()
		}
	}
}

// configure makes the sandbox's specification of the container. An error is
// about what the pod asks for, in the kubelet's words.
func (c *container) configure(ctx context.Context, found *image) (*plan, error) {
	p := c.pod
	pod := p.object()
	granted, err := rightsOf(pod, c.spec, found)
	if err != nil {
		return nil, err
	}
	services, err := serviceVariables(p.node.services, pod.Namespace, pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks)
	if err != nil {
		return nil, err
	}
	variables, err := environment{
		objects: p.node.objects, pod: pod, address: p.address.String(),
		services: services, allocated: p.node.capacity,
	}.variables(ctx, c.spec)
	if err != nil {
		return nil, err
	}
	mounts, err := mountsOf(pod, c.spec, listed(variables))
	if err != nil {
		return nil, err
	}
	args := commandLine(c.spec, found.config, listed(variables))
	if len(args) == 0 {
		return nil, errors.New("no command specified")
	}
	resolv, err := resolvConf(ctx, p.node.resolver, pod)
	if err != nil {
		return nil, err
	}
	dir := c.spec.WorkingDir
	if dir == "" {
		dir = found.config.WorkingDir
	}
	if asksUnconfined(pod, c.spec) {
		c.record(warning("NotSupported", "this node cannot leave out the seccomp filter (Unconfined): the container has that of RuntimeDefault"+kindCan))
	}
	limits := c.spec.Resources.Limits
	return &plan{image: found, rights: granted, spec: sandbox.ContainerSpec{
		Name: c.spec.Name, Image: found.ref, Args: args, Dir: dir,
		Env:  assignments(found.config.Env, variables, granted.home, utsName(pod), c.spec.TTY),
		User: granted.user, Group: granted.group, Groups: granted.groups,
		ReadOnlyRoot: granted.readOnlyRoot, NoNewPrivileges: granted.noNewPrivileges,
		Capabilities: granted.capabilities,
		TTY:          c.spec.TTY, Mounts: append(mounts, c.messageMount()),
		Files: map[string][]byte{
			"/etc/hosts":       hostsFile(pod, p.address.String()),
			"/etc/hostname":    []byte(utsName(pod) + "\n"),
			"/etc/resolv.conf": resolv,
		},
		Memory: limits.Memory().Value(), CPU: limits.Cpu().MilliValue(), Disk: capped(limits.StorageEphemeral(), largestRoot),
	}}, nil
}

// messageVolume holds what the container says of its end.
func (c *container) messageVolume() string { return "termination-log of " + c.spec.Name }

const messageFile = "log"

func (c *container) messageMount() sandbox.Mount {
	path := c.spec.TerminationMessagePath
	if path == "" {
		path = corev1.TerminationMessagePathDefault
	}
	return sandbox.Mount{Volume: c.messageVolume(), SubPath: messageFile, Path: path}
}
