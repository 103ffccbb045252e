package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockAgain is how often a command that waits for another tries again.
const lockAgain = 100 * time.Millisecond

// Lock waits until no other command uses a cluster of ours, and keeps others
// out until release. Clusters of different providers have different locks. A
// lock's file goes with its cluster: it is left only where the cluster is.
func Lock(ctx context.Context, home string, c Owned, say func(string)) (release func(), err error) {
	lock := flock.New(filepath.Join(home, c.Provider()+"-"+c.Name()+lockSuffix))
	got, err := tryLock(lock)
	if err == nil && !got {
		say("another command is using the " + c.Provider() + " cluster " + c.Name() + "; waiting for it to finish")
		err = awaitLock(ctx, lock)
	}
	if err != nil {
		return nil, fmt.Errorf("waiting for another command to finish: %w", err)
	}
	return func() {
		if c.Exists() {
			_ = lock.Unlock()
			return
		}
		unlink(lock)
	}, nil
}

const lockSuffix = ".lock"

// awaitLock tries until the lock is ours or ctx is done.
func awaitLock(ctx context.Context, lock *flock.Flock) error {
	again := time.NewTicker(lockAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
		if got, err := tryLock(lock); err != nil || got {
			return err
		}
	}
}

// tryLock is false where somebody else has the lock. A file that was unlinked
// between its opening and its locking is nobody's lock any more: the next
// command makes another of that name, and so does this one.
func tryLock(lock *flock.Flock) (bool, error) {
	for {
		if got, err := lock.TryLock(); err != nil || !got {
			return false, err
		}
		locked, err := lock.Stat()
		if err != nil {
			_ = lock.Unlock()
			return false, err
		}
		if now, err := os.Stat(lock.Path()); err == nil && os.SameFile(locked, now) {
			return true, nil
		}
		_ = lock.Unlock() // which closes the file; TryLock opens the new one
	}
}

// unlink ends a lock and its file, in this order for the others: none can lock
// the file before it has no name. On Windows, where what is open keeps its
// name, the file stays.
func unlink(lock *flock.Flock) {
	_ = os.Remove(lock.Path())
	_ = lock.Unlock()
}

// removeFreeLocks removes the files of locks that no command holds, which
// commands left that were killed.
func removeFreeLocks(home, provider string) {
	left, _ := filepath.Glob(filepath.Join(home, provider+"-*"+lockSuffix)) // the pattern is good
	for _, file := range left {
		lock := flock.New(file)
		if got, err := tryLock(lock); err == nil && got {
			unlink(lock)
		}
	}
}
