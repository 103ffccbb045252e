package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const auditLog = "audit.log"

// look is how often a log without news is looked at. A check waits for its
// last event, so it is short.
const look = 3 * time.Millisecond

// AuditLog follows the log from its end on.
func (c *Cluster) AuditLog(ctx context.Context) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(c.folder(), auditLog))
	if err == nil {
		_, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w; type make down, then make up", err)
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
func (f *following) Read(p []byte) (int, error) {
	for {
		renamed := f.renamed() // asked first: what was written before the renaming is read first
		n, err := f.file.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		if renamed {
			if err := f.reopen(); err != nil {
				return 0, err
			}
			continue
		}
		select {
		case <-f.ctx.Done():
			f.file.Close() // it was only read
			return 0, io.EOF
		case <-time.After(look):
		}
	}
}

// renamed tells whether the log goes on in another file.
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
