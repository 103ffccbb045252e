package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"rolecall/harness/next"
)

// transport hands out bytes as they were sent: sizes and digests are of those.
var transport = func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	t.DisableCompression = true
	return t
}()

// faultError is a failure that may be gone at the next attempt.
type faultError struct{ error }

func (f faultError) Unwrap() error { return f.error }

// again repeats what failed by a fault.
func (c Client) again(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		var fault faultError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &fault):
			return err
		case n >= c.Attempts:
			return next.Errorf(c.Advice, "%w", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.Pause * time.Duration(n)):
		}
	}
}

// request lets use read what a server has under an address, from an offset on.
func (c Client) request(ctx context.Context, from string, offset int64, use func(body io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.Stall, func() { cancel(fmt.Errorf("nothing arrived for %s", c.Stall)) })
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fault(ctx, from, err)
	}
	defer answer.Body.Close()
	body := &watched{from: answer.Body, arrived: func() { watch.Reset(c.Stall) }}
	switch {
	case answer.StatusCode == http.StatusPartialContent && offset > 0:
	case answer.StatusCode == http.StatusOK:
		// Beyond an offset, this is a server that cannot continue: what is here is skipped.
		if _, err := io.CopyN(io.Discard, body, offset); err != nil {
			return fault(ctx, from, err)
		}
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("reading %s: the server has no such file: %s", from, answer.Status)
	case answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests:
		return fault(ctx, from, fmt.Errorf("the server answered %s", answer.Status))
	default:
		return fmt.Errorf("reading %s: the server answered %s", from, answer.Status)
	}
	err = use(body)
	if body.failed != nil {
		return fault(ctx, from, body.failed)
	}
	return err
}

// fault is a failure to read from an address, with the reason for which its
// context was cancelled rather than what that led to.
func fault(ctx context.Context, from string, err error) error {
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return faultError{fmt.Errorf("reading %s: %w", from, err)}
}

// watched is a body that tells of each byte that arrives, and remembers that it
// ended before its time.
type watched struct {
	from    io.Reader
	arrived func()
	failed  error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if n > 0 {
		w.arrived()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.failed = err
	}
	return n, err
}
