package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/download"
)

// mirrors is how this package downloads.
var mirrors = download.New("check the network, or name a reachable mirror in " + MirrorVariable)

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
	b, err := mirrors.Read(ctx, url, limit)
	if err != nil {
		if old, readErr := os.ReadFile(kept); readErr == nil && ctx.Err() == nil {
			return old, nil
		}
		return nil, err
	}
	return b, maybe.WriteFile(kept, b, 0o600)
}

// fetch returns the path of the wanted file, downloading it if the cache does
// not hold it. heard, which may be nil, hears how many bytes of it are there.
func (c *cache) fetch(ctx context.Context, url string, want download.File, heard func(int64)) (string, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return filepath.Join(c.dir, want.SHA256), mirrors.Fetch(ctx, url, want, root, heard)
}
