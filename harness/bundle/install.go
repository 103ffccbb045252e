package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"rolecall/harness/cluster"
	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Target is the machine that a bundle is installed on.
type Target struct {
	Home    string                                // rolecall's own folder
	Engine  func(context.Context) (Engine, error) // the error is a *cluster.NoEngineError where there is none
	Display *progress.Display
	Say     func(line string) // hears what was done
}

// Names in the folder of bundles in rolecall's own folder, beside toolchains.
const (
	lockFile  = "lock"
	downloads = "downloads"
)

// Install puts what a bundle holds, in a folder or at an http address, where
// rolecall finds it, whole or not at all. What is there already stays.
func Install(ctx context.Context, t Target, from string) error {
	folder := filepath.Join(t.Home, gocommand.Folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return next.Errorf("free some disk space", "installing the bundle: %w", err)
	}
	release, err := t.lock(ctx, filepath.Join(folder, lockFile))
	if err != nil {
		return fmt.Errorf("waiting for another command that installs a bundle: %w", err)
	}
	defer release()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("installing the bundle: %w", err)
	}
	defer root.Close()

	var bundle source
	if isURL.MatchString(from) {
		bundle, err = openSite(ctx, from, filepath.Join(folder, downloads), t.Display)
	} else {
		bundle, err = Open(from)
	}
	if err != nil {
		return err
	}
	defer bundle.close()
	i := &installation{Target: t, bundle: bundle, root: root}
	err = errors.Join(i.installGo(ctx), i.loadNodeImage(ctx))
	if err != nil {
		return err
	}
	if i.found == 0 {
		t.Say(fmt.Sprintf("The bundle holds nothing to install on %s/%s: rolecall itself needs no installation.", runtime.GOOS, runtime.GOARCH))
	}
	return root.RemoveAll(downloads) // all of it is in use now
}

// lock makes calls take turns.
func (t Target) lock(ctx context.Context, file string) (release func(), err error) {
	lock := flock.New(file)
	got, err := lock.TryLock()
	if err == nil && !got {
		task := t.Display.Begin("waiting for another command that installs a bundle", 0)
		defer func() { task.End(err) }()
		_, err = lock.TryLockContext(ctx, 100*time.Millisecond)
	}
	return func() { _ = lock.Unlock() }, err
}

// installation is one call of Install.
type installation struct {
	Target
	bundle source
	root   *os.Root // of bundles, in rolecall's own folder
	found  int      // files for this machine
}

// installGo unpacks the toolchain.
func (i *installation) installGo(ctx context.Context) error {
	file, there := i.bundle.index().Find(Go, runtime.GOOS, runtime.GOARCH)
	if !there {
		return nil
	}
	i.found++
	name := gocommand.Prefix + file.SHA256[:16]
	where := filepath.Join(i.Home, gocommand.Folder, name)
	if _, err := i.root.Lstat(name); err == nil {
		i.Say("Go is installed already, in " + where + ".")
		return nil
	}
	stored, err := i.bundle.fetch(ctx, file)
	if err != nil {
		return fmt.Errorf("installing Go: %w", err)
	}
	if err := i.unpackGo(ctx, stored, name); err != nil {
		return fmt.Errorf("installing Go: %w", i.damage(ctx, file, err))
	}
	i.Say("Go for learners' programs was installed in " + where + ".")
	return i.removeOthers(name)
}

// unpackGo fills a folder, whole or not at all.
func (i *installation) unpackGo(ctx context.Context, stored *stored, name string) (err error) {
	task := i.Display.Begin("unpacking Go", 10*time.Second)
	defer func() { task.End(err) }()
	temp := unfinished + name
	if err := i.root.RemoveAll(temp); err != nil { // of a call that was killed
		return err
	}
	defer i.root.RemoveAll(temp)
	if err := i.root.Mkdir(temp, 0o700); err != nil {
		return next.Errorf("free some disk space", "%w", err)
	}
	into, err := i.root.OpenRoot(temp)
	if err != nil {
		return err
	}
	defer into.Close()
	err = stored.checked(ctx, func(archive io.Reader) error {
		return unpack(archive, into, func(n int64) { task.Update(megabytes(n)) })
	})
	if err != nil {
		return err
	}
	return i.root.Rename(temp, name)
}

// removeOthers removes what earlier bundles brought.
func (i *installation) removeOthers(name string) error {
	entries, err := os.ReadDir(filepath.Join(i.Home, gocommand.Folder))
	for _, e := range entries {
		if strings.HasPrefix(strings.TrimPrefix(e.Name(), unfinished), gocommand.Prefix) && e.Name() != name {
			err = errors.Join(err, i.root.RemoveAll(e.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("removing the Go of an earlier bundle: %w", err)
	}
	return nil
}

// loadNodeImage loads kind's node image into the container engine, if there is
// one: without an engine there is no kind, and the embedded cluster needs none.
func (i *installation) loadNodeImage(ctx context.Context) error {
	if !i.bundle.index().has(NodeImage) {
		return nil
	}
	engine, err := i.Engine(ctx)
	var none *cluster.NoEngineError
	if errors.As(err, &none) {
		i.found++
		i.Say(fmt.Sprintf("The node image for kind was left out: %v.", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the node image: %w", err)
	}
	file, there := i.bundle.index().Find(NodeImage, "", engine.Arch())
	if !there {
		return nil
	}
	i.found++
	has, err := engine.Has(ctx, file.Image)
	if err != nil {
		return fmt.Errorf("loading the node image: %w", err)
	}
	if has {
		i.Say(fmt.Sprintf("%s has the node image %s already.", engine.Name(), file.Image))
		return nil
	}
	stored, err := i.bundle.fetch(ctx, file)
	if err == nil {
		err = i.load(ctx, engine, stored)
	}
	if err != nil {
		return fmt.Errorf("loading the node image: %w", i.damage(ctx, file, err))
	}
	i.Say(fmt.Sprintf("The node image %s was loaded into %s.", file.Image, engine.Name()))
	return nil
}

// load reads an image twice: the engine uses what it gets while it reads.
func (i *installation) load(ctx context.Context, engine Engine, stored *stored) (err error) {
	task := i.Display.Begin("loading the node image into "+engine.Name(), 30*time.Second)
	defer func() { task.End(err) }()
	err = stored.checked(ctx, func(archive io.Reader) error {
		_, err := io.Copy(io.Discard, archive)
		return err
	})
	if err != nil {
		return err
	}
	return stored.checked(ctx, func(archive io.Reader) error {
		plain, err := decompress(archive)
		if err != nil {
			return err
		}
		defer plain.Close()
		return engine.Load(ctx, io.LimitReader(plain, maxUnpacked))
	})
}

// damage says what is wrong with a file in a folder where that explains an
// error.
func (i *installation) damage(ctx context.Context, file File, err error) error {
	folder, ok := i.bundle.(*Folder)
	if !ok || ctx.Err() != nil {
		return err
	}
	if problems := folder.problems(ctx, file, func(int64) {}); len(problems) > 0 {
		return next.Errorf("copy the bundle again", "%s", strings.Join(problems, "; "))
	}
	return err
}

func (x Index) has(content Content) bool {
	for _, f := range x.Files {
		if f.Content == content {
			return true
		}
	}
	return false
}

// checked lets use read a file, and returns an error where the file is not the
// one that the index means.
func (s *stored) checked(ctx context.Context, use func(io.Reader) error) error {
	file, err := s.open()
	if err != nil {
		return err
	}
	defer file.Close()
	sum := &summed{from: stoppable{ctx, file}, sum: sha256.New()}
	if err := use(sum); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(sum, s.Size-sum.size+1)); err != nil {
		return err
	}
	if sum.size != s.Size || hex.EncodeToString(sum.sum.Sum(nil)) != s.SHA256 {
		return fmt.Errorf("%s is damaged: it does not have the size and the SHA-256 that %s says", s.Name, IndexFile)
	}
	return nil
}

// summed is a reader that adds up what was read.
type summed struct {
	from io.Reader
	sum  hash.Hash
	size int64
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.sum.Write(p[:n])
	s.size += int64(n)
	return n, err
}
