package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"
)

// cache is a folder of files named by their SHA-256, and of signed state files
// named by the SHA-256 of their address.
type cache struct{ dir string }

func newCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache of Debian packages: %w", err)
	}
	return &cache{dir}, nil
}

// lock keeps other commands from downloading into the cache until unlock is
// called.
func (c *cache) lock(ctx context.Context) (unlock func() error, err error) {
	l := flock.New(filepath.Join(c.dir, "lock"))
	if _, err := l.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, fmt.Errorf("waiting for another command that downloads to %s: %w", c.dir, err)
	}
	return l.Unlock, nil
}

// get reads a small file whose digest is not known beforehand. If the network fails it
// returns what it read the last time: such files are signed, so an old one is
// as good as a mirror that stopped.
func (c *cache) get(ctx context.Context, url string, limit int64) ([]byte, error) {
	sum := sha256.Sum256([]byte(url))
	kept := filepath.Join(c.dir, "state-"+hex.EncodeToString(sum[:8]))
	b, err := retry(ctx, func() ([]byte, error) { return read(ctx, url, limit) })
	if err != nil {
		if old, readErr := os.ReadFile(kept); readErr == nil && ctx.Err() == nil {
			return old, nil
		}
		return nil, err
	}
	return b, maybe.WriteFile(kept, b, 0o600)
}

// fetch returns the path of the wanted file, downloading it if the cache does
// not hold it. received, if not nil, hears of every piece that came in, in
// bytes; of a cached file it hears once.
func (c *cache) fetch(ctx context.Context, url string, want file, received func(int64)) (string, error) {
	if received == nil {
		received = func(int64) {}
	}
	path := filepath.Join(c.dir, want.sha256)
	if info, err := os.Stat(path); err == nil && info.Size() == want.size {
		received(want.size)
		return path, nil
	}

	return retry(ctx, func() (string, error) { return path, download(ctx, url, path, want, received) })
}

// download continues or begins path.part and renames it once it is checked.
func download(ctx context.Context, url, path string, want file, received func(int64)) error {
	part, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer part.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, part)
	if err != nil {
		return err
	}

	if have < want.size {
		received(have)
		body, err := open(ctx, url, have)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.MultiWriter(part, sum, counter(received)), io.LimitReader(body, want.size-have+1))
		if err != nil {
			return transport(url, err)
		}
	}

	if hex.EncodeToString(sum.Sum(nil)) != want.sha256 {
		// A resumed part may be from something else; the next attempt starts over.
		os.Remove(path + ".part")
		return transport(url, errors.New("what arrived does not have the SHA-256 that the archive states"))
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// counter is a writer that only reports how much was written.
type counter func(int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}
