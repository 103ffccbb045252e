package debian

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"rolecall/harness/download"
	"rolecall/harness/progress"
)

// parallel is how many downloads run at a time.
const parallel = 4

// Fetch downloads the packages that the cache does not hold and returns the
// path of each one's .deb, in the same order. A file in the cache has been
// checked against its digest. An interrupted download resumes where it was.
func (a *Archive) Fetch(ctx context.Context, pkgs []*Package, p *progress.Display) (_ []string, err error) {
	var total int64
	for _, pkg := range pkgs {
		total += pkg.Size
	}
	task := p.Begin("downloading Debian packages", 0)
	defer func() { task.End(err) }()
	unlock, err := a.cache.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()

	var got, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	paths := make([]string, len(pkgs))
	for i, pkg := range pkgs {
		group.Go(func() error {
			have := int64(0)
			path, err := a.cache.fetch(ctx, pkg.url, download.File{Size: pkg.Size, SHA256: pkg.SHA256}, func(n int64) {
				task.Update(fmt.Sprintf("%d of %d packages, %d of %d MB", done.Load(), len(pkgs), got.Add(n-have)>>20, total>>20))
				have = n
			})
			if err != nil {
				return fmt.Errorf("downloading the Debian package %s %s: %w", pkg.Name, pkg.Version, err)
			}
			done.Add(1)
			paths[i] = path
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return paths, nil
}
