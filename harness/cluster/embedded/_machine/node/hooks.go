package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/util/format"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// postStart runs the container's postStart hook. Until it is over the
// container does not count as running.
func (c *container) postStart(ctx context.Context, r *run) error {
	if c.spec.Lifecycle == nil || c.spec.Lifecycle.PostStart == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.hook(ctx, c.spec.Lifecycle.PostStart)
}

// preStop runs the container's preStop hook, once and not beyond deadline.
func (c *container) preStop(r *run, deadline time.Time) {
	if c.spec.Lifecycle == nil || c.spec.Lifecycle.PreStop == nil || !deadline.After(time.Now()) {
		return
	}
	r.asked.Do(func() {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		go func() {
			select {
			case <-r.ended:
			case <-c.pod.killing:
			case <-ctx.Done():
			}
			cancel()
		}()
		if err := c.hook(ctx, c.spec.Lifecycle.PreStop); err != nil && ctx.Err() == nil {
			c.record(warning("FailedPreStopHook", "PreStopHook failed"))
		}
	})
}

func (c *container) hook(ctx context.Context, handler *corev1.LifecycleHandler) error {
	switch {
	case handler.Exec != nil:
		output, code, err := c.output(ctx, handler.Exec.Command)
		if err == nil && code != 0 {
			err = fmt.Errorf("command '%v' exited with %d: %s", handler.Exec.Command, code, output)
		}
		return err
	case handler.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(handler.HTTPGet, c.spec, c.pod.address.String(), "lifecycle")
		if err != nil {
			return err
		}
		response, err := c.pod.httpClient(0).Do(request.WithContext(ctx))
		if err == nil {
			response.Body.Close()
		}
		return err
	case handler.Sleep != nil:
		if !c.idle(ctx, time.Duration(handler.Sleep.Seconds)*time.Second) {
			return errors.New("container terminated before sleep hook finished")
		}
		return nil
	}
	return fmt.Errorf("invalid handler of container %s in pod %s", c.spec.Name, format.Pod(c.pod.object()))
}
