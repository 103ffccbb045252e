package intake

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"strings"

	"github.com/ulikunitz/xz"
)

// archives are the endings by which a file is meant to be an archive, in lower
// case. The first ones are opened.
var (
	archives = []string{".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz"}
	unopened = []string{".rar", ".7z", ".tar.zst", ".tzst", ".zipx", ".gz", ".bz2", ".xz", ".zst", ".lzh", ".arj", ".cab", ".ace"}
)

// IsArchive reports whether a file is, by its name, meant to be an archive,
// also of a kind that is not opened here.
func IsArchive(name string) bool { return Stem(name) != name }

// Stem is a name without an archive's ending.
func Stem(name string) string {
	lower := strings.ToLower(name)
	for _, end := range append(archives[:len(archives):len(archives)], unopened...) {
		if len(name) > len(end) && strings.HasSuffix(lower, end) {
			return name[:len(name)-len(end)]
		}
	}
	return name
}

// beginnings are what files begin with: names lie.
var beginnings = []struct{ magic, kind string }{
	{"PK", "zip"}, {"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"},
	{"Rar!\x1a\x07", "a RAR archive"}, {"7z\xbc\xaf\x27\x1c", "a 7z archive"}, {"\x28\xb5\x2f\xfd", "a Zstandard archive"},
	{"MSCF", "a CAB archive"}, {"%PDF", "a PDF document"}, {"\xd0\xcf\x11\xe0", "an old Office document"},
}

// kindOf is zip, gzip, bzip2, xz or tar, or in words what is not opened here; ""
// for anything else.
func kindOf(head []byte) string {
	for _, b := range beginnings {
		if bytes.HasPrefix(head, []byte(b.magic)) {
			return b.kind
		}
	}
	if _, err := tar.NewReader(bytes.NewReader(head)).Next(); err == nil && len(head) >= 512 {
		return "tar"
	}
	return ""
}

// headSize is enough of a file to tell what it is: a tar's first block.
const headSize = 512

// decompress returns what a compressed stream holds.
func decompress(kind string, packed io.Reader) (io.Reader, error) {
	switch kind {
	case "gzip":
		return gzip.NewReader(packed)
	case "bzip2":
		return bzip2.NewReader(packed), nil
	}
	return xz.NewReader(packed)
}
