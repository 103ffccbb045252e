package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall.build/machine/sandbox"
)

// run is one run of a container, from its start to its end.
type run struct {
	process process
	streams *streams
	image   string // as the pod named it
	at      time.Time
	ended   chan struct{} // closed when exit is known and the log is whole
	exit    sandbox.Exit
	lost    bool // the sandbox ended under it

	asked sync.Once // to end, by its preStop hook
}

// createTime bounds the start of a container's process.
const createTime = 30 * time.Second

// longestRetry is the longest that the node waits before it tries again what
// the machine did not let it do.
const longestRetry = 10 * time.Second

// create starts the container, and tries again as long as it is the machine
// that does not let it. Without a run, ended is how the start ended for good;
// nil where ctx was done before.
func (c *container) create(ctx context.Context, planned *plan) (r *run, ended *corev1.ContainerStateTerminated) {
	c.isCreated(planned)
	for wait := retry; ; wait = min(2*wait, longestRetry) {
		r, err := c.begin(planned)
		var its *sandbox.StartError
		var cannot *sandbox.NotSupportedError
		switch {
		case err == nil:
			c.hasTried()
			return r, nil
		case errors.As(err, &its):
			c.hasTried()
			return nil, c.failedToStart(its)
		case errors.As(err, &cannot):
			c.record(warning(notSupported, cannot.Message+kindCan))
			c.waits(notSupported, cannot.Message+kindCan)
			<-ctx.Done()
			return nil, nil
		}
		c.record(warning("Failed", "Error: "+err.Error()))
		c.waits(nodeFailure, err.Error())
		if !c.idle(ctx, wait) {
			return nil, nil
		}
	}
}

// isCreated gives the container the identity of another run.
func (c *container) isCreated(planned *plan) {
	c.pod.mu.Lock()
	if c.tried {
		c.restarts++
	}
	c.id, c.image, c.rights = newID(), planned.image, &planned.rights
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.started, c.ready = false, false
	c.pod.mu.Unlock()
	c.record(normal("Created", "Container created"))
}

// hasTried makes the next start a restart.
func (c *container) hasTried() {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	c.tried = true
}

// begin starts the container's process.
func (c *container) begin(planned *plan) (*run, error) {
	p := c.pod
	p.mu.Lock()
	pod, restarts := p.sandbox, c.restarts
	p.mu.Unlock()
	if pod == nil {
		return nil, sandbox.ErrGone
	}
	message := sandbox.Volume{Files: map[string]sandbox.File{messageFile: {Mode: 0o666}}, Mode: fs.FileMode(0o755)}
	if err := pod.SetVolume(c.messageVolume(), message); err != nil {
		return nil, err
	}
	attached, err := newStreams(c.spec, c.logFile(restarts))
	if err != nil {
		return nil, err
	}
	spec := planned.spec
	attached.give(&spec)
	ctx, cancel := context.WithTimeout(context.Background(), createTime)
	defer cancel()
	started, err := pod.run(ctx, spec)
	attached.given()
	if err != nil {
		attached.close()
		return nil, err
	}
	attached.start(started.terminal())
	c.record(normal("Started", "Container started"))
	r := &run{process: started, streams: attached, image: planned.asked, at: time.Now(), ended: make(chan struct{})}
	p.mu.Lock()
	c.run = r
	p.mu.Unlock()
	go func() {
		exit, err := started.Wait()
		if err != nil { // the sandbox went away, and all in it was killed
			exit = sandbox.Exit{Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
			r.lost = p.running.Err() == nil
		}
		attached.finish()
		r.exit = exit
		close(r.ended)
	}()
	return r, nil
}

// failedToStart is the end of a container whose process never ran.
func (c *container) failedToStart(cause *sandbox.StartError) *corev1.ContainerStateTerminated {
	message := "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: " + cause.Message
	c.record(warning("Failed", "Error: "+message))
	again, now := c.restartable(128), metav1.Now()
	ended := &corev1.ContainerStateTerminated{
		Reason: "StartError", ExitCode: 128, Message: message,
		StartedAt: metav1.NewTime(time.Unix(0, 0)), FinishedAt: now,
		ContainerID: c.reference(),
	}
	c.pod.change(func() {
		c.state = corev1.ContainerState{Terminated: ended}
		if again {
			c.last = c.state
			c.state = waiting("RunContainerError", message)
		}
	})
	return ended
}

// unknown is the kubelet's reason for the end of a container that it lost.
const unknown = "ContainerStatusUnknown"

// terminated is the end of a container whose process ran.
func (c *container) terminated(r *run) *corev1.ContainerStateTerminated {
	ended := &corev1.ContainerStateTerminated{
		ExitCode: int32(r.exit.Code), Reason: "Completed",
		StartedAt: metav1.NewTime(r.at), FinishedAt: metav1.Now(),
		ContainerID: c.reference(), Message: c.lastWords(r),
	}
	switch {
	case r.lost:
		ended.Reason, ended.Message = unknown, "The pod's sandbox ended by itself, and the container with it"
	case r.exit.OOMKilled:
		ended.Reason = "OOMKilled"
	case ended.ExitCode != 0:
		ended.Reason = "Error"
	}
	c.pod.change(func() {
		c.state = corev1.ContainerState{Terminated: ended}
		c.started, c.ready, c.run = false, false, nil
		if c.role == initial {
			c.ready = ended.ExitCode == 0
		}
	})
	return ended
}

// How much of a message is kept (k8s.io/kubernetes/pkg/kubelet/container).
const (
	messageLength  = 4096
	logTailLength  = 2048
	logTailInLines = 80
)

// lastWords is what the container wrote to its termination message, or the end
// of its log if it asked for that and failed.
func (c *container) lastWords(r *run) string {
	c.pod.mu.Lock()
	pod := c.pod.sandbox
	c.pod.mu.Unlock()
	if pod != nil {
		if message, err := pod.ReadVolume(c.messageVolume(), messageFile, messageLength); err == nil && len(message) > 0 {
			return string(message)
		}
	}
	if c.spec.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError || r.exit.Code == 0 {
		return ""
	}
	return r.streams.log.tail(logTailInLines, logTailLength)
}

// minimumGrace is what a container has after the request to end even if its
// pod's grace is used up.
const minimumGrace = 2 * time.Second

// stop asks the container's process to end, and kills it when its pod's grace
// is over. Why is for the event. It returns when the process has ended.
func (c *container) stop(why string) { c.stopWithin(why, nil) }

// stopWithin is stop with a grace of its own, in seconds, if one is given and
// the pod goes on.
func (c *container) stopWithin(why string, seconds *int64) {
	r := c.currentRun()
	if r == nil {
		return
	}
	select {
	case <-r.process.Done():
		<-r.ended
		return
	default:
	}
	if why == "" {
		why = "Stopping container " + c.spec.Name
	}
	c.record(normal("Killing", why))
	deadline := c.deadline(seconds)
	c.preStop(r, deadline)
	if soonest := time.Now().Add(minimumGrace); deadline.Before(soonest) {
		deadline = soonest
	}
	_ = r.process.Signal(c.stopSignal())
	select {
	case <-r.ended:
		return
	case <-time.After(time.Until(deadline)):
	case <-c.pod.killing:
	}
	_ = r.process.Signal(syscall.SIGKILL)
	<-r.ended
}

// deadline is when the container is killed: with a leaving pod, or after a
// grace of its own where only it is to end.
func (c *container) deadline(seconds *int64) time.Time {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	switch {
	case c.pod.leaving:
		return c.pod.grace
	case seconds != nil:
		return time.Now().Add(time.Duration(*seconds) * time.Second)
	}
	return time.Now().Add(gracePeriod(c.pod.api))
}

// stopSignal is the pod's, the image's, or else SIGTERM.
func (c *container) stopSignal() syscall.Signal {
	c.pod.mu.Lock()
	held := c.image
	c.pod.mu.Unlock()
	name := ""
	if c.spec.Lifecycle != nil && c.spec.Lifecycle.StopSignal != nil {
		name = string(*c.spec.Lifecycle.StopSignal)
	} else if held != nil {
		name = held.config.StopSignal
	}
	if name != "" && !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if signal := unix.SignalNum(name); signal != 0 {
		return signal
	}
	return syscall.SIGTERM
}

// reference is the container's identifier as its status gives it.
func (c *container) reference() string {
	if c.id == "" {
		return ""
	}
	return fmt.Sprintf("%s://%s", runtimeName, c.id)
}
