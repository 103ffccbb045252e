package kind

import (
	"context"
	"errors"
	"io"
)

// AuditLog follows the log through the node, so that it works where the engine
// runs in a virtual machine.
func (c *Cluster) AuditLog(ctx context.Context) (io.ReadCloser, error) {
	if err := c.detect(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	log, lines := io.Pipe()
	held, hold := io.Pipe() // nothing is written; its end ends the reader in the node
	go func() {
		err := c.engine.Run(ctx, held, lines, "exec", "--interactive", c.node(), "sh", "-c", follow)
		lines.CloseWithError(err)
	}()
	return &following{log, func() error { cancel(); return hold.Close() }}, nil
}

// follow is a tail that does not outlive the one who reads it: ending the
// engine's command alone would leave it running in the node.
const follow = "tail -n 0 -F /var/log/kubernetes/audit.log & tail=$!; cat >/dev/null; kill $tail"

// following is a log that ends, with the command that reads it, at Close.
type following struct {
	*io.PipeReader
	end func() error
}

func (f *following) Close() error {
	return errors.Join(f.end(), f.PipeReader.Close())
}
