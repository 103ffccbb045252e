package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/progress"
)

// build makes one node image.
type build struct {
	engine   *engine.Engine
	arch     string // as GOARCH
	ref      string // the image to make
	progress *progress.Display

	dir  string // keeps finished stages
	temp string // below dir, gone when the build ends
	tag  string // tells this cache's containers from those of other caches

	archive *debian.Archive // open once base has returned
}

// run builds the image. Stages that an earlier run finished are not repeated;
// of an unfinished one nothing stays.
func (b *build) run(ctx context.Context, cacheDir string) (err error) {
	if err := b.prepare(cacheDir); err != nil {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if has, err := b.engine.HasImage(ctx, b.ref); err != nil || has {
		return err // the other build made it
	}

	// A build that was killed could not clean up.
	b.clean(ctx)
	defer b.clean(ctx)
	if err := os.MkdirAll(b.temp, 0o755); err != nil {
		return err
	}
	// The folder may be inside somebody's module, which must not be touched.
	if err := os.WriteFile(filepath.Join(b.temp, "go.mod"), []byte("module rolecall.build/temp\n"), 0o644); err != nil {
		return err
	}

	// Downloading and configuring packages mostly waits, compiling does not.
	var base string
	var programs programFolders
	stages, stagesCtx := errgroup.WithContext(ctx)
	stages.Go(func() (err error) {
		base, err = b.base(stagesCtx, cacheDir)
		return err
	})
	stages.Go(func() (err error) {
		programs, err = b.compile(stagesCtx)
		return err
	})
	if err := stages.Wait(); err != nil {
		return err
	}
	images, err := b.images(ctx, programs)
	if err != nil {
		return err
	}
	return b.finish(ctx, base, programs, images)
}

func (b *build) prepare(cacheDir string) error {
	dir, err := filepath.Abs(filepath.Join(cacheDir, Folder))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for intermediate results: %w", err)
	}
	sum := sha256.Sum256([]byte(dir))
	b.dir, b.temp, b.tag = dir, filepath.Join(dir, "temp"), hex.EncodeToString(sum[:4])
	return nil
}

// lock makes builds with the same folder take turns.
func (b *build) lock(ctx context.Context) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(b.dir, "lock"))
	if free, err := lock.TryLock(); err != nil || free {
		return lock.Unlock, err
	}
	task := b.progress.Begin("waiting for another build of the node image", 0)
	_, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	task.End(err)
	return lock.Unlock, err
}

// clean removes what only a running build needs. The lock must be held.
func (b *build) clean(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	b.engine.RemoveContainer(ctx, b.container("base"))
	b.engine.RemoveContainer(ctx, b.container("node"))
	b.engine.RemoveImage(ctx, b.bootstrap())
	os.RemoveAll(b.temp)
}

func (b *build) container(stage string) string { return "rolecall-build-" + stage + "-" + b.tag }

// programFolders holds, by the program's name, the folder of what it compiled to.
type programFolders map[string]string

func (b *build) compile(ctx context.Context) (programFolders, error) {
	folders := programFolders{}
	for _, p := range programs {
		out, err := p.compile(ctx, b.dir, b.arch, b.progress)
		if err != nil {
			return nil, err
		}
		folders[p.name] = out
	}
	return folders, nil
}

// path returns one compiled file.
func (f programFolders) path(program, file string) string {
	return filepath.Join(f[program], file)
}

// runScript runs a shell script in a container of image and commits the
// container as ref. Before the script starts, the tar file that fill writes is
// unpacked into the container's root. The stream is how files get there
// because every engine has it, also where the engine is a virtual machine.
func (b *build) runScript(ctx context.Context, container, image, script, ref string, fill func(io.Writer) error) error {
	stream, w := io.Pipe()
	go func() { w.CloseWithError(fill(w)) }()
	defer stream.Close()

	args := []string{
		"run", "--interactive", "--name=" + container, "--network=none",
		// As kind's own build does: containerd needs more than the default profile allows.
		"--security-opt=seccomp=unconfined",
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		// An engine may be told to pass these on; an image must not keep them.
		args = append(args, "--env="+name+"=", "--env="+strings.ToLower(name)+"=")
	}
	args = append(args, "--entrypoint=/bin/sh", image, "-c", "tar -x -p -f - -C / && exec sh "+script)
	if _, err := b.engine.OutputFrom(ctx, stream, args...); err != nil {
		return err
	}
	_, err := b.engine.Output(ctx, "commit",
		"--change", `ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`, "--change", "CMD []",
		container, ref)
	if err != nil {
		return err
	}
	return b.engine.RemoveContainer(ctx, container)
}
