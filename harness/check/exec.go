package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
)

// MaxOutput is how much of a stream is kept, in bytes. A command that writes
// more is cut off.
const MaxOutput = 1 << 20

// errOutputTooLong is why a command that wrote more than MaxOutput was ended.
var errOutputTooLong = fmt.Errorf("more than %d bytes of output", MaxOutput)

// farewell bounds how long a stream may take to end once nobody waits for it: one
// to a server that has stopped need not end at all.
const farewell = 2 * time.Second

// Exec runs a command in a container and returns what it wrote and its exit
// status. An error is ours, except for errOutputTooLong and ctx's own.
func (e *Env) Exec(ctx context.Context, namespace, pod, container string, stdin io.Reader, command ...string) (stdout, stderr []byte, status int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, errs := &capped{stop: cancel}, &capped{stop: cancel}
	status, err = e.stream(ctx, namespace, pod, container, remotecommand.StreamOptions{Stdin: stdin, Stdout: out, Stderr: errs}, command...)
	return out.bytes(), errs.bytes(), status, err
}

// stream runs a command in a container with these streams and returns its exit
// status. Where ctx ends first, the error is ctx's cause.
func (e *Env) stream(ctx context.Context, namespace, pod, container string, streams remotecommand.StreamOptions, command ...string) (status int, err error) {
	ctx = klog.NewContext(ctx, logr.Discard()) // what matters of a stream's end comes back as its error
	request := e.Client.CoreV1().RESTClient().Post().
		Namespace(namespace).Resource("pods").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: command,
			Stdin: streams.Stdin != nil, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	websocket, err := remotecommand.NewWebSocketExecutor(e.Config, "GET", request.URL().String())
	if err != nil {
		return 0, fmt.Errorf("preparing to run a command in pod %s: %w", pod, err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(e.Config, "POST", request.URL())
	if err != nil {
		return 0, fmt.Errorf("preparing to run a command in pod %s: %w", pod, err)
	}
	executor, err := remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return 0, fmt.Errorf("preparing to run a command in pod %s: %w", pod, err)
	}

	ended := make(chan error, 1)
	go func() { ended <- executor.StreamWithContext(ctx, streams) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(farewell):
		}
	}
	var exit exec.CodeExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code, nil
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, fmt.Errorf("running a command in pod %s: %w", pod, err)
	}
	return 0, nil
}

// capped keeps the first MaxOutput bytes, then ends the command.
type capped struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	stop context.CancelCauseFunc
}

func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := MaxOutput - c.buf.Len()
	if len(p) > room {
		c.buf.Write(p[:room])
		c.stop(errOutputTooLong)
		return room, io.ErrShortWrite
	}
	c.buf.Write(p)
	return len(p), nil
}

func (c *capped) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.buf.Bytes())
}
