package embedded

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"rolecall/harness/next"
)

const auditLog = "audit.log"

// AuditLog follows the log from its end on.
func (c *Cluster) AuditLog(ctx context.Context) (io.ReadCloser, error) {
	news, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, next.Errorf("raise the sysctl fs.inotify.max_user_instances", "watching the audit log: %w", err)
	}
	file, err := os.Open(filepath.Join(c.Folder(), auditLog))
	if err == nil {
		err = news.Add(c.Folder()) // not the file, which is renamed
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, next.Errorf("make down, then make up", "opening the audit log: %w", errors.Join(err, news.Close()))
	}
	ctx, cancel := context.WithCancel(ctx)
	return &following{ctx: ctx, cancel: cancel, file: file, news: news}, nil
}

// following reads a log that grows, and that is renamed when it is long.
type following struct {
	ctx    context.Context
	cancel context.CancelFunc
	file   *os.File
	news   *fsnotify.Watcher // of the log's folder
}

// Read waits for news. It ends with io.EOF when the log is closed.
func (f *following) Read(p []byte) (int, error) {
	for {
		if n, err := f.read(p); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-f.news.Events:
		case <-f.news.Errors: // more news than the kernel keeps
		case <-f.ctx.Done():
			f.file.Close() // it was only read
			f.news.Close()
			return 0, io.EOF
		}
	}
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
