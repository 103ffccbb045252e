package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rolecall/harness/next"
)

const (
	attempts   = 4                // of one download, when the transport fails
	stallLimit = 30 * time.Second // without a byte, then an attempt is given up
)

func read(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := open(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, transport(url, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("reading %s: it is longer than %d bytes", url, limit)
	}
	return b, nil
}

// open starts reading url from an offset. The reader gives up by itself when
// nothing arrives for stallLimit.
func open(ctx context.Context, url string, offset int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(stallLimit, func() { cancel(fmt.Errorf("nothing arrived for %s", stallLimit)) })
	stop := func() { watch.Stop(); cancel(nil) }

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		stop()
		return nil, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		err = because(ctx, err)
		stop()
		return nil, transport(url, err)
	}

	wanted := http.StatusOK
	if offset > 0 {
		wanted = http.StatusPartialContent
	}
	switch {
	case resp.StatusCode == wanted:
		return &watched{resp.Body, ctx, watch, stop}, nil
	case offset > 0 && resp.StatusCode == http.StatusOK:
		// This server cannot resume: skip what we have.
		body := &watched{resp.Body, ctx, watch, stop}
		if _, err := io.CopyN(io.Discard, body, offset); err != nil {
			body.Close()
			return nil, transport(url, err)
		}
		return body, nil
	}
	resp.Body.Close()
	stop()
	err = fmt.Errorf("reading %s: the server answered %s", url, resp.Status)
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		err = transport(url, err)
	}
	return nil, err
}

// watched is a body that keeps its watch from firing while bytes arrive.
type watched struct {
	io.ReadCloser
	ctx   context.Context
	watch *time.Timer
	stop  func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.watch.Reset(stallLimit)
	}
	if err != nil && err != io.EOF {
		err = because(w.ctx, err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.stop()
	return w.ReadCloser.Close()
}

// because prefers the reason a context was cancelled for.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// transportError is a failure that may be gone at the next attempt.
type transportError struct {
	url string
	err error
}

func transport(url string, err error) error {
	return next.Errorf("check the network, or name a reachable mirror in "+MirrorVariable, "%w", &transportError{url, err})
}

func (e *transportError) Error() string { return fmt.Sprintf("reading %s: %v", e.url, e.err) }

func (e *transportError) Unwrap() error { return e.err }

// retry runs do again after a transport failure, a few times.
func retry[T any](ctx context.Context, do func() (T, error)) (result T, err error) {
	for n := 1; ; n++ {
		result, err = do()
		if err != nil && ctx.Err() != nil {
			return result, context.Cause(ctx)
		}
		var fault *transportError
		if err == nil || !errors.As(err, &fault) || n == attempts {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, context.Cause(ctx)
		case <-time.After(pause * time.Duration(n)):
		}
	}
}

// pause is waited before the second attempt, longer before later ones.
var pause = time.Second
