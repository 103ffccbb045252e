package debian

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxData bounds what a package unpacks to, in bytes.
const maxData = 2 << 30

// Data calls visit for each entry of the files that a .deb installs. Names
// come cleaned and relative to the root ("usr/bin/curl", the root itself
// "."), hard links' targets too; a name that leads out of the root is an
// error. The reader is valid until visit returns.
func Data(deb string, visit func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(deb)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := data(f, visit); err != nil {
		return fmt.Errorf("unpacking the Debian package %s: %w", deb, err)
	}
	return nil
}

func data(deb io.Reader, visit func(*tar.Header, io.Reader) error) error {
	name, member, err := findMember(deb, "data.tar")
	if err != nil {
		return err
	}
	plain, err := decompress(name, member)
	if err != nil {
		return err
	}
	entries := tar.NewReader(io.LimitReader(plain, maxData))
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if h.Name, err = inside(h.Name); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeLink {
			if h.Linkname, err = inside(h.Linkname); err != nil {
				return err
			}
		}
		if err := visit(h, entries); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

// findMember looks through an ar archive for the member whose name begins with
// prefix.
func findMember(r io.Reader, prefix string) (string, io.Reader, error) {
	in := bufio.NewReader(r)
	magic := make([]byte, 8)
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != "!<arch>\n" {
		return "", nil, errors.New("it is not a .deb: the ar signature is missing")
	}
	for {
		head := make([]byte, 60)
		if _, err := io.ReadFull(in, head); errors.Is(err, io.EOF) {
			return "", nil, fmt.Errorf("it has no member %s", prefix)
		} else if err != nil {
			return "", nil, fmt.Errorf("reading an ar header: %w", err)
		}
		name := strings.TrimRight(strings.TrimSpace(string(head[:16])), "/")
		size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil || size < 0 || !bytes.Equal(head[58:], []byte("`\n")) {
			return "", nil, errors.New("an ar header is damaged")
		}
		if strings.HasPrefix(name, prefix) {
			return name, &exactly{in, size}, nil
		}
		if _, err := io.CopyN(io.Discard, in, size+size%2); err != nil { // members are padded to even length
			return "", nil, fmt.Errorf("skipping the member %.16q: %w", name, unexpected(err))
		}
	}
}

// exactly reads n bytes and takes an earlier end for an error.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.n {
		p = p[:e.n]
	}
	n, err := e.r.Read(p)
	e.n -= int64(n)
	if e.n > 0 {
		err = unexpected(err)
	}
	return n, err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decompress chooses by the name's ending, as dpkg does.
func decompress(name string, r io.Reader) (io.Reader, error) {
	var plain io.Reader
	var err error
	switch path.Ext(name) {
	case ".tar":
		plain = r
	case ".xz":
		plain, err = xz.NewReader(r)
	case ".gz":
		plain, err = gzip.NewReader(r)
	case ".zst":
		// One goroutine: it ends with the last read and leaves nothing behind.
		plain, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	default:
		return nil, fmt.Errorf("%s is packed in a way that is not known", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return plain, nil
}

// inside cleans a path and refuses one that leaves the root.
func inside(name string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("the entry %.80q leads out of the package", name)
	}
	return clean, nil
}

// Merged maps the path of a package's file to where it is on a system with
// merged /usr: /bin, /sbin and /lib* are links into /usr there, so what
// packages hold below them is below /usr.
func Merged(name string) string {
	top, _, _ := strings.Cut(name, "/")
	for _, link := range MergedLinks {
		if top == link {
			return "usr/" + name
		}
	}
	return name
}

// UsrIsMerged is the package to name where what is unpacked has a merged /usr
// already: without it, packages ask for one that merges it with half of Perl.
const UsrIsMerged = "usr-is-merged"

// MergedLinks are the folders in the root that are links to the folders of the
// same name in /usr.
var MergedLinks = []string{"bin", "sbin", "lib", "lib64"}
