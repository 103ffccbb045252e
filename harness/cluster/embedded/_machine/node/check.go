package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/probe"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"

	"rolecall.build/machine/sandbox"
)

// check asks the container once. An error means that it could not be asked.
func (c *container) check(ctx context.Context, r *run, kind probeKind, spec *corev1.Probe) (probe.Result, string, error) {
	timeout := time.Duration(max(1, spec.TimeoutSeconds)) * time.Second
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case spec.Exec != nil:
		return c.checkExec(bounded, spec.Exec.Command, timeout)
	case spec.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(spec.HTTPGet, c.spec, c.pod.address.String(), "probe")
		if err != nil {
			return probe.Unknown, "", err
		}
		return httpprobe.DoHTTPProbe(request.WithContext(bounded), c.pod.httpClient(timeout))
	case spec.TCPSocket != nil:
		port, err := probe.ResolveContainerPort(spec.TCPSocket.Port, c.spec)
		if err != nil {
			return probe.Unknown, "", err
		}
		host := spec.TCPSocket.Host
		if host == "" {
			host = c.pod.address.String()
		}
		connection, err := c.pod.dial(bounded, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return probe.Failure, err.Error(), nil
		}
		connection.Close()
		return probe.Success, "", nil
	case spec.GRPC != nil:
		return c.checkGRPC(bounded, spec.GRPC, timeout)
	}
	return probe.Unknown, "", fmt.Errorf("missing probe handler for %s:%s", c.pod.key, c.spec.Name)
}

// probeOutput is how much of a command's output an event shows.
const probeOutput = 10 << 10

func (c *container) checkExec(ctx context.Context, command []string, timeout time.Duration) (probe.Result, string, error) {
	output, code, err := c.output(ctx, kubecontainer.ExpandContainerCommandOnlyStatic(command, c.spec.Env))
	var cannot *sandbox.StartError
	switch {
	case errors.As(err, &cannot):
		return probe.Unknown, "", fmt.Errorf("rpc error: code = Unknown desc = failed to exec in container: %s", cannotExec(newID(), cannot))
	case err != nil && ctx.Err() != nil:
		return probe.Failure, fmt.Sprintf("command timed out: %q timed out after %s", command, timeout), nil
	case err != nil:
		return probe.Unknown, "", err
	case code != 0:
		return probe.Failure, output, nil
	}
	return probe.Success, output, nil
}

// output runs a command in the container and returns the beginning of what it
// writes to both its streams. The command is killed when ctx is done.
func (c *container) output(ctx context.Context, command []string) (string, int, error) {
	c.pod.mu.Lock()
	pod := c.pod.sandbox
	c.pod.mu.Unlock()
	if pod == nil {
		return "", 0, sandbox.ErrGone
	}
	read, write, err := os.Pipe()
	if err != nil {
		return "", 0, err
	}
	defer read.Close()
	started, err := pod.exec(ctx, c.spec.Name, sandbox.ExecSpec{Args: command, Stdout: write, Stderr: write})
	write.Close()
	if err != nil {
		return "", 0, err
	}
	kept := &head{limit: probeOutput}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = kept.ReadFrom(read)
	}()
	select {
	case <-started.Done():
	case <-ctx.Done():
		_ = started.Signal(syscall.SIGKILL)
		return "", 0, ctx.Err()
	}
	exit, err := started.Wait()
	if err != nil {
		return "", 0, err
	}
	select {
	case <-copied:
		return kept.String(), exit.Code, nil
	case <-ctx.Done(): // something it left behind holds the pipe
		return "", exit.Code, nil
	}
}

// head keeps the first bytes of what it reads, and reads on.
type head struct {
	bytes.Buffer
	limit int
}

// ReadFrom reads until the end.
func (h *head) ReadFrom(from *os.File) (read int64, err error) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		h.Write(buffer[:min(n, max(0, h.limit-h.Len()))])
		read += int64(n)
		if err != nil {
			return read, nil
		}
	}
}

// dial connects from inside the pod's network.
func (p *pod) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	pod := p.sandbox
	p.mu.Unlock()
	if pod == nil {
		return nil, sandbox.ErrGone
	}
	if !p.node.sandboxes.servers() {
		return nil, errors.New(noServers)
	}
	return pod.Dial(ctx, network, address)
}

// httpClient speaks to a pod's servers as the kubelet's probes do: any
// certificate will do, and a redirection to another host is not followed.
func (p *pod) httpClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: p.dial, DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			if to.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}
}

func (c *container) checkGRPC(ctx context.Context, spec *corev1.GRPCAction, timeout time.Duration) (probe.Result, string, error) {
	security := insecure.NewCredentials()
	if spec.Mode != nil && *spec.Mode == corev1.GRPCProbeModeTLS {
		security = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	address := net.JoinHostPort(c.pod.address.String(), strconv.Itoa(int(spec.Port)))
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) { return c.pod.dial(ctx, "tcp", to) }))
	if err != nil {
		return probe.Failure, err.Error(), nil
	}
	defer connection.Close()
	service := ""
	if spec.Service != nil {
		service = *spec.Service
	}
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	switch {
	case err != nil && ctx.Err() != nil:
		return probe.Failure, fmt.Sprintf("timeout: failed to connect service %q within %v: %v", address, timeout, err), nil
	case err != nil:
		return probe.Failure, fmt.Sprintf("error: health rpc probe failed: %v", err), nil
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return probe.Failure, fmt.Sprintf("service unhealthy (responded with %q)", answer.GetStatus()), nil
	}
	return probe.Success, "service healthy", nil
}
