// Package download reads files over HTTP from servers and networks that falter.
// An attempt that stalls is given up, and what failed on the way is tried again.
// A file is continued where it was cut, by a later command too, and has its name
// only once its SHA-256 is the one that was wanted.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"rolecall/harness/next"
)

// Client downloads. Use New.
type Client struct {
	Attempts int           // of one file, when the network or the server falters
	Pause    time.Duration // before the second attempt, longer before later ones
	Stall    time.Duration // without a byte, then an attempt is given up
	Advice   string        // what to do when the last attempt has failed
}

// New returns a client with the usual patience.
func New(advice string) Client {
	return Client{Attempts: 5, Pause: time.Second, Stall: 30 * time.Second, Advice: advice}
}

// File is what a file must be.
type File struct {
	Size   int64  // bytes
	SHA256 string // lower-case hex
}

// Read reads a file of at most limit bytes whose digest is not known.
func (c Client) Read(ctx context.Context, url string, limit int64) (text []byte, err error) {
	err = c.again(ctx, func() error {
		return c.request(ctx, url, 0, func(body io.Reader) (err error) {
			text, err = io.ReadAll(io.LimitReader(body, limit+1))
			if err == nil && int64(len(text)) > limit {
				err = fmt.Errorf("reading %s: it is longer than %d bytes", url, limit)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Fetch makes a file complete in a folder, where its name is its SHA-256.
// heard, which may be nil, hears how many bytes of it are there.
func (c Client) Fetch(ctx context.Context, url string, want File, into *os.Root, heard func(int64)) error {
	if heard == nil {
		heard = func(int64) {}
	}
	if info, err := into.Lstat(want.SHA256); err == nil && info.Size() == want.Size {
		heard(want.Size)
		return nil // it was checked before it got its name
	}
	part := want.SHA256 + ".part"
	return c.again(ctx, func() error {
		err := c.resume(ctx, url, want, into, part, heard)
		if errors.Is(err, errDamaged) { // a part may be of something else: the next attempt begins anew
			return errors.Join(err, into.Remove(part))
		}
		if err != nil {
			return err
		}
		return into.Rename(part, want.SHA256)
	})
}

var errDamaged = faultError{errors.New("what arrived is damaged: it does not have the SHA-256 that it should have")}

// resume continues a part, or begins it, and checks it.
func (c Client) resume(ctx context.Context, url string, want File, into *os.Root, part string, heard func(int64)) error {
	file, err := into.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return next.Errorf("free some disk space", "%w", err)
	}
	defer file.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	if have < want.Size {
		heard(have)
		err := c.request(ctx, url, have, func(body io.Reader) error {
			to := io.MultiWriter(file, sum, counter(func(n int64) { have += n; heard(have) }))
			_, err := io.Copy(to, io.LimitReader(body, want.Size-have+1))
			return err
		})
		if err != nil {
			return err
		}
	}
	if have != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		return errDamaged
	}
	return file.Close()
}

// counter is a writer that only tells how much was written.
type counter func(int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}
