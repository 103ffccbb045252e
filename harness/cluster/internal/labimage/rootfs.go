package labimage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/image"
)

// rootFS returns the image's only layer.
//
// /bin is a folder of its own here, not the link to /usr/bin that Debian has:
// BusyBox and its tools are in /bin, curl alone is in /usr/bin. /lib and /lib64
// are links, as Debian's loader and libraries expect.
func rootFS(arch string, tree *debian.Tree) ([]byte, error) {
	busybox, err := content(tree, "bin/busybox")
	if err != nil {
		return nil, err
	}
	tools, err := applets(busybox)
	if err != nil {
		return nil, err
	}
	curl, err := tree.Needs("usr/bin/curl")
	if err != nil {
		return nil, err
	}

	var layer bytes.Buffer
	t := image.NewTree(&layer)
	w := &writer{t: t}
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "root", "run", "sys", "usr/bin", "usr/lib", "usr/lib64", "var"} {
		w.do(t.Dir(dir, 0o755))
	}
	w.do(t.Dir("tmp", 0o777|fs.ModeSticky))
	w.do(t.Link("lib", "usr/lib"))
	w.do(t.Link("lib64", "usr/lib64"))
	w.do(t.Link("var/run", "/run"))
	w.do(t.Link("var/tmp", "/tmp"))

	w.do(t.File("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")))
	w.do(t.File("etc/group", 0o644, []byte("root:x:0:\nnogroup:x:65534:\n")))
	w.do(t.File("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n")))

	// Whoever may not read a program may not trace it either (ptrace(2)): the
	// shell that runs a learner's program, without capabilities, is safe from it.
	const noReading = 0o111
	w.do(t.File("bin/busybox", noReading, busybox))
	// Hard links cost next to nothing to make, where a symbolic link is a file to
	// create, and overlayfs takes long over that: a chroot has 300 of them to make.
	for _, tool := range tools {
		w.do(t.HardLink("bin/"+tool, "bin/busybox", noReading))
	}
	for _, name := range curl {
		w.do(t.Entry(tree.Entry(name).Plain()))
	}
	w.do(t.Close())
	if w.err != nil {
		return nil, fmt.Errorf("writing the image's files: %w", w.err)
	}
	return layer.Bytes(), nil
}

// writer keeps the first error of a row of writes.
type writer struct {
	t   *image.Tree
	err error
}

func (w *writer) do(err error) {
	if w.err == nil {
		w.err = err
	}
}

func content(tree *debian.Tree, name string) ([]byte, error) {
	e := tree.Entry(name)
	if e == nil || len(e.Content) == 0 {
		return nil, fmt.Errorf("the Debian packages do not have %s", name)
	}
	return e.Content, nil
}

// applets returns the names of the tools in a BusyBox program, sorted. They
// are read from its table of names, which begins with "[" and "[[", because it
// may be a program for another machine, which cannot be asked.
func applets(busybox []byte) ([]string, error) {
	start := bytes.Index(busybox, []byte("\x00[\x00[[\x00"))
	if start < 0 {
		return nil, errors.New("reading BusyBox's tools: its table of names is not where it used to be")
	}
	var names []string
	for table := busybox[start+1:]; ; {
		name, rest, ok := bytes.Cut(table, []byte{0})
		if !ok || len(name) == 0 {
			break
		}
		if len(name) > 32 || bytes.ContainsAny(name, "/ ") {
			return nil, fmt.Errorf("reading BusyBox's tools: %.40q is no name of one", name)
		}
		names, table = append(names, string(name)), rest
	}
	slices.Sort(names)
	for _, must := range []string{"awk", "cat", "grep", "id", "ls", "nc", "sed", "sh", "sleep", "tar", "timeout", "wget"} {
		if _, found := slices.BinarySearch(names, must); !found {
			return nil, fmt.Errorf("reading BusyBox's tools: %s is not among the %d found", must, len(names))
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "busybox" }), nil
}
