package embedded

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/next"
)

const auditLog = "audit.log"

// interval is how often the log is read. A check waits for its last event, so
// it is short.
const interval = 3 * time.Millisecond

// AuditLog follows the log from its end on.
func (c *Cluster) AuditLog(ctx context.Context) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(c.Folder(), auditLog))
	if err == nil {
		_, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, next.Errorf("make down, then make up", "opening the audit log: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &following{ctx: ctx, cancel: cancel, file: file}, nil
}

// following reads a log that grows, and that is renamed when it is long.
type following struct {
	ctx    context.Context
	cancel context.CancelFunc
	file   *os.File
}

// Read waits for news. It ends with io.EOF when the log is closed.
func (f *following) Read(p []byte) (n int, err error) {
	closed := wait.PollUntilContextCancel(f.ctx, interval, true, func(context.Context) (bool, error) {
		n, err = f.read(p)
		return n > 0 || err != nil, nil
	})
	if closed != nil {
		f.file.Close() // it was only read
		return 0, io.EOF
	}
	return n, err
}

// read reads what there is, which may be nothing.
func (f *following) read(p []byte) (int, error) {
	renamed := f.renamed() // asked first: what was written before the renaming is read first
	n, err := f.file.Read(p)
	if n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	if !renamed {
		return 0, nil
	}
	if err := f.reopen(); err != nil {
		return 0, err
	}
	return f.read(p)
}

// renamed reports whether the log goes on in another file.
func (f *following) renamed() bool {
	now, err := os.Stat(f.file.Name())
	if err != nil { // between the renaming and the new file
		return false
	}
	read, err := f.file.Stat()
	return err == nil && !os.SameFile(read, now)
}

func (f *following) reopen() error {
	file, err := os.Open(f.file.Name())
	if err != nil {
		return err
	}
	err = f.file.Close()
	f.file = file
	return err
}

// Close ends a Read that waits.
func (f *following) Close() error {
	f.cancel()
	return nil
}
