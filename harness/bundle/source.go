package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"rolecall/harness/download"
	"rolecall/harness/progress"
)

// source is where a bundle is installed from.
type source interface {
	// index says what the bundle holds.
	index() Index
	// fetch makes a file of the bundle readable here. The caller checks what is
	// in it.
	fetch(ctx context.Context, f File) (*stored, error)
	close() error
}

// stored is a file of a bundle that is on this machine, in pieces.
type stored struct {
	File
	root  *os.Root
	names []string // of the pieces, in root
}

// open returns all pieces, one behind the other.
func (s *stored) open() (io.ReadCloser, error) {
	all := &joined{}
	var readers []io.Reader
	for _, name := range s.names {
		file, err := openRegular(s.root, name)
		if err != nil {
			all.Close()
			return nil, err
		}
		all.files = append(all.files, file)
		readers = append(readers, file)
	}
	all.Reader = io.MultiReader(readers...)
	return all, nil
}

type joined struct {
	io.Reader
	files []*os.File
}

func (j *joined) Close() error {
	for _, file := range j.files {
		file.Close()
	}
	return nil
}

// fetch returns the pieces as they lie in the folder.
func (f *Folder) fetch(_ context.Context, file File) (*stored, error) {
	s := &stored{File: file, root: f.root}
	for _, p := range file.Pieces {
		s.names = append(s.names, p.Name)
	}
	return s, nil
}

func (f *Folder) index() Index { return f.Index }

func (f *Folder) close() error { return f.Close() }

// site is a bundle that somebody serves.
type site struct {
	Index
	url     string   // without a slash at the end
	kept    *os.Root // what was downloaded, and parts of it, each under its digest
	display *progress.Display
}

// network is how pieces are downloaded.
var network = download.New("make sure that the machine that serves the bundle is on and in the same network, then try again")

// isURL matches what names a site rather than a folder.
var isURL = regexp.MustCompile(`^https?://`)

// openSite reads the index of a bundle that is served. What will be downloaded
// is kept in a folder.
func openSite(ctx context.Context, url, folder string, display *progress.Display) (*site, error) {
	s := &site{url: strings.TrimRight(url, "/"), display: display}
	once := network // whoever mistyped the address is told at once
	once.Attempts = 1
	text, err := once.Read(ctx, s.url+"/"+IndexFile, maxIndex)
	if err == nil {
		s.Index, err = readIndex(bytes.NewReader(text))
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bundle %s: %w", url, err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	s.kept, err = os.OpenRoot(folder)
	return s, err
}

// fetch downloads what was not downloaded before.
func (s *site) fetch(ctx context.Context, f File) (_ *stored, err error) {
	task := s.display.Begin("downloading "+f.Name, 0)
	defer func() { task.End(err) }()
	got := int64(0)
	here := &stored{File: f, root: s.kept}
	for _, p := range f.Pieces {
		heard := func(n int64) { task.Update(megabytes(got+n) + " of " + megabytes(f.Size)) }
		if err := network.Fetch(ctx, s.url+"/"+p.Name, download.File{Size: p.Size, SHA256: p.SHA256}, s.kept, heard); err != nil {
			return nil, fmt.Errorf("downloading %s: %w", p.Name, err)
		}
		got += p.Size
		here.names = append(here.names, p.SHA256)
	}
	return here, nil
}

func (s *site) index() Index { return s.Index }

func (s *site) close() error { return s.kept.Close() }
