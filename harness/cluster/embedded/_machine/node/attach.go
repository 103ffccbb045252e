package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
)

// attach connects an API client with a container's own process.
func (n *node) attach(ctx context.Context, namespace, name, containerName string, client api.AttachIO) error {
	c, err := n.entered(namespace, name, containerName)
	if err != nil {
		return err
	}
	r := c.currentRun()
	if r == nil {
		return fmt.Errorf("container not found (%q)", containerName)
	}
	var stdin io.Reader
	if client.Stdin() != nil && c.spec.Stdin {
		stdin = client.Stdin()
	}
	var stdout, stderr io.Writer
	if client.Stdout() != nil {
		stdout = client.Stdout()
	}
	if client.Stderr() != nil {
		stderr = client.Stderr()
	}
	if client.TTY() {
		go resize(ctx, client.Resize(), r.process)
	}
	r.streams.attach(ctx, r, stdin, stdout, stderr)
	return nil
}

// portForward connects an API client with a port in the pod.
func (n *node) portForward(ctx context.Context, namespace, name string, port int32, stream io.ReadWriteCloser) error {
	p := n.provider.find(namespace, name)
	if p == nil {
		return fmt.Errorf("pod %q not found", namespace+"/"+name)
	}
	connection, err := p.dial(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("failed to connect to localhost:%d inside namespace %q, IPv4: %w", port, p.uid, err)
	}
	defer connection.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(connection, stream)
		if half, ok := connection.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(stream, connection)
	return nil
}
