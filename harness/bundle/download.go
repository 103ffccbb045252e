package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"rolecall/harness/next"
)

const attempts = 5 // of one request, when the network fails

// Waiting, which tests shorten.
var (
	stall = 30 * time.Second // without a byte, then an attempt is given up
	pause = time.Second      // before the second attempt, longer before later ones
)

// newClient is a client that hands out bytes as they were sent: sizes and
// digests are of those.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	return &http.Client{Transport: transport}
}

// faultError is a failure that may be gone at the next attempt.
type faultError struct{ error }

func (f faultError) Unwrap() error { return f.error }

// networkAdvice is what to do about a fault that stays.
const networkAdvice = "make sure that the machine that serves the bundle is on and in the same network, then try again"

// again repeats what failed by a fault.
func again(ctx context.Context, do func() error) error {
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
		case n == attempts:
			return next.Errorf(networkAdvice, "%w", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause * time.Duration(n)):
		}
	}
}

// try requests a file of the site from an offset and lets use read it. whole
// says that the answer begins at the file's beginning.
func (s *site) try(ctx context.Context, name string, offset int64, use func(body io.Reader, whole bool) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing arrived for %s", stall)) })
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+name, nil)
	if err != nil {
		return err
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return faultError{because(ctx, err)}
	}
	defer answer.Body.Close()
	partial := answer.StatusCode == http.StatusPartialContent && offset > 0
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: the server has no such file", request.URL)
	case answer.StatusCode != http.StatusOK && !partial:
		return faultError{fmt.Errorf("%s: the server answered %s", request.URL, answer.Status)}
	}
	body := &watched{answer.Body, watch, nil}
	err = use(body, !partial)
	if body.failed != nil {
		return faultError{because(ctx, body.failed)}
	}
	return err
}

// because prefers the reason for which a context was cancelled.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// watched is a body that keeps its watch from firing while bytes arrive, and
// remembers that it ended before its time.
type watched struct {
	from   io.Reader
	watch  *time.Timer
	failed error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if n > 0 {
		w.watch.Reset(stall)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.failed = err
	}
	return n, err
}

// download makes a piece complete in the folder of what is kept, under its
// digest. A part of it that an earlier call left is continued. heard hears how
// many bytes there are.
func (s *site) download(ctx context.Context, p Piece, heard func(int64)) error {
	if info, err := s.kept.Lstat(p.SHA256); err == nil && info.Size() == p.Size {
		return nil // it was checked before it got its name
	}
	part := p.SHA256 + ".part"
	return again(ctx, func() error {
		err := s.resume(ctx, p, part, heard)
		if errors.Is(err, errDigest) {
			return errors.Join(err, s.kept.Remove(part))
		}
		if err != nil {
			return err
		}
		return s.kept.Rename(part, p.SHA256)
	})
}

// errDigest says that a piece was downloaded, or put together from parts, that
// is not the one that the index means. The next attempt begins anew.
var errDigest = faultError{errors.New("what arrived is damaged: it does not have the size and the SHA-256 that " + IndexFile + " says")}

// resume continues a part, or begins it, and checks it.
func (s *site) resume(ctx context.Context, p Piece, part string, heard func(int64)) error {
	file, err := s.kept.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return next.Errorf("free some disk space", "%w", err)
	}
	defer file.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	if have < p.Size {
		err := s.try(ctx, p.Name, have, func(body io.Reader, whole bool) error {
			if whole && have > 0 { // this server does not resume
				sum.Reset()
				have = 0
				if _, err := file.Seek(0, io.SeekStart); err != nil {
					return err
				}
				if err := file.Truncate(0); err != nil {
					return err
				}
			}
			to := io.MultiWriter(file, sum, hearing(func(n int64) { have += n; heard(have) }))
			_, err := io.Copy(to, io.LimitReader(body, p.Size-have+1))
			return err
		})
		if err != nil {
			return err
		}
	}
	if have != p.Size || hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
		return errDigest
	}
	return nil
}
