package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	criapi "k8s.io/cri-api/pkg/apis"
	criv1 "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the options of a log, for the codec
)

// logFile is where the log of one run of the container is.
func (c *container) logFile(run int32) string {
	_ = os.Remove(c.logPath(run - 2)) // kubectl logs --previous reaches back one run
	_ = os.Remove(c.logPath(run-2) + ".1")
	return c.logPath(run)
}

func (c *container) logPath(run int32) string {
	return filepath.Join(c.pod.logs, c.spec.Name, strconv.Itoa(int(run))+".log")
}

// serveLogs answers GET /containerLogs/namespace/pod/container.
func (n *node) serveLogs(w http.ResponseWriter, r *http.Request) {
	options := &corev1.PodLogOptions{}
	if err := legacyscheme.ParameterCodec.DecodeParameters(r.URL.Query(), corev1.SchemeGroupVersion, options); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := n.provider.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, fmt.Sprintf("pod %q does not exist", r.PathValue("pod")), http.StatusNotFound)
		return
	}
	c := p.container(r.PathValue("container"))
	if c == nil {
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", r.PathValue("container"), r.PathValue("pod")), http.StatusNotFound)
		return
	}
	path, id, err := c.logOf(options.Previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if options.Follow && options.Previous {
		options.Follow = false
	}
	out := &flushed{w: w, to: http.NewResponseController(w)}
	stdout, stderr := io.Writer(out), io.Writer(out)
	if stream := options.Stream; stream != nil {
		switch *stream {
		case corev1.LogStreamStdout:
			stderr = io.Discard
		case corev1.LogStreamStderr:
			stdout = io.Discard
		}
	}
	w.Header().Set("Transfer-Encoding", "chunked")
	err = logs.ReadLogs(r.Context(), path, id, readOptions(options), runningContainers{c: c}, stdout, stderr)
	if err != nil && r.Context().Err() == nil {
		fmt.Fprintf(out, "failed to read the container's log: %v\n", err)
	}
}

func readOptions(asked *corev1.PodLogOptions) *logs.LogOptions {
	o := &logs.LogOptions{TailLines: asked.TailLines, LimitBytes: asked.LimitBytes, Follow: asked.Follow, Timestamp: asked.Timestamps}
	switch {
	case asked.SinceSeconds != nil:
		o.Since = time.Now().Add(-time.Duration(*asked.SinceSeconds) * time.Second)
	case asked.SinceTime != nil:
		o.Since = asked.SinceTime.Time
	}
	return o
}

// logOf is the log of the container's run, or of the one before it. An error
// is a kubelet's, in its words.
func (c *container) logOf(previous bool) (path, id string, err error) {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	name, pod := c.spec.Name, c.pod.key.Name
	run := c.restarts
	if previous {
		if c.last.Terminated == nil || c.restarts == 0 && c.state.Terminated == nil && c.state.Waiting == nil {
			return "", "", fmt.Errorf("previous terminated container %q in pod %q not found", name, pod)
		}
		if c.state.Waiting == nil { // while it waits, the run that ended is the latest
			run--
		}
	} else if c.id == "" || c.state.Waiting != nil && c.last.Terminated == nil {
		switch reason := c.state.Waiting.Reason; reason {
		case "ErrImagePull", "ImagePullBackOff":
			return "", "", fmt.Errorf("container %q in pod %q is waiting to start: trying and failing to pull image", name, pod)
		default:
			return "", "", fmt.Errorf("container %q in pod %q is waiting to start: %s", name, pod, reason)
		}
	}
	path = c.logPath(run)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", "", fmt.Errorf("unable to retrieve container logs for %s", c.reference())
	}
	return path, c.id, nil
}

// runningContainers tells a reader that follows a log whether more may come. Of
// the container runtime interface no other call is made.
type runningContainers struct {
	criapi.RuntimeService
	c *container
}

// ContainerStatus reports whether the container still runs under that id.
func (r runningContainers) ContainerStatus(_ context.Context, id string, _ bool) (*criv1.ContainerStatusResponse, error) {
	r.c.pod.mu.Lock()
	defer r.c.pod.mu.Unlock()
	state := criv1.ContainerState_CONTAINER_EXITED
	if r.c.id == id && r.c.run != nil {
		state = criv1.ContainerState_CONTAINER_RUNNING
	}
	return &criv1.ContainerStatusResponse{Status: &criv1.ContainerStatus{Id: id, State: state}}, nil
}

// flushed sends each line as it comes.
type flushed struct {
	w  io.Writer
	to *http.ResponseController
}

// Write writes and flushes.
func (f *flushed) Write(data []byte) (int, error) {
	n, err := f.w.Write(data)
	if err == nil {
		err = f.to.Flush()
	}
	return n, err
}
