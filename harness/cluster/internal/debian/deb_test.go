package debian

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// makeDeb returns a .deb with the given entries in its data.tar, packed as the
// ending says.
func makeDeb(t *testing.T, ending string, entries ...*tar.Header) []byte {
	t.Helper()
	var data bytes.Buffer
	packed := packer(t, ending, &data)
	w := tar.NewWriter(packed)
	for _, h := range entries {
		content := "content of " + h.Name
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, content)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, packed.Close())

	deb := bytes.NewBufferString("!<arch>\n")
	member := func(name string, b []byte) {
		fmt.Fprintf(deb, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", name, 0, 0, 0, 0o100644, len(b))
		deb.Write(b)
		if len(b)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	member("control.tar", []byte("odd"))
	member("data.tar"+ending, data.Bytes())
	return deb.Bytes()
}

func packer(t *testing.T, ending string, to io.Writer) io.WriteCloser {
	t.Helper()
	switch ending {
	case ".xz":
		w, err := xz.NewWriter(to)
		require.NoError(t, err)
		return w
	case ".gz":
		return gzip.NewWriter(to)
	case ".zst":
		w, err := zstd.NewWriter(to)
		require.NoError(t, err)
		return w
	}
	return nopCloser{to}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func writeDeb(t *testing.T, ending string, entries ...*tar.Header) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.deb")
	require.NoError(t, os.WriteFile(file, makeDeb(t, ending, entries...), 0o600))
	return file
}

func regular(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755}
}

func TestDataOfEveryPacking(t *testing.T) {
	for _, ending := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("data.tar"+ending, func(t *testing.T) {
			deb := writeDeb(t, ending,
				&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
				regular("./usr/bin/tool"),
				&tar.Header{Typeflag: tar.TypeLink, Name: "./usr/bin/same", Linkname: "./usr/bin/tool"})
			var seen []string
			require.NoError(t, Data(deb, func(h *tar.Header, r io.Reader) error {
				b, err := io.ReadAll(r)
				seen = append(seen, h.Name+" "+h.Linkname+" "+string(b))
				return err
			}))
			require.Equal(t, []string{".  ", "usr/bin/tool  content of ./usr/bin/tool", "usr/bin/same usr/bin/tool "}, seen)
		})
	}
}

func TestDataRefusesWhatIsNoPackage(t *testing.T) {
	good := makeDeb(t, ".xz", regular("./usr/bin/tool"))
	for name, c := range map[string]struct {
		deb  []byte
		says string
	}{
		"empty":             {nil, "ar signature is missing"},
		"a web page":        {[]byte("<html>not found</html>"), "ar signature is missing"},
		"nothing inside":    {[]byte("!<arch>\n"), "no member data.tar"},
		"cut in a header":   {good[:30], "reading an ar header"},
		"cut in a member":   {good[:8+60+2], "skipping the member"},
		"cut in the data":   {good[:len(good)-40], "data.tar.xz"},
		"a damaged header":  {bytes.Replace(good, []byte("`\n"), []byte("xx"), 1), "header is damaged"},
		"a negative size":   {bytes.Replace(good, []byte("4         `\n"), []byte("-4        `\n"), 1), "header is damaged"},
		"an unknown packer": {makeDeb(t, ".rar", regular("./a")), "not known"},
		"a way out":         {makeDeb(t, ".gz", regular("./usr/../../etc/passwd")), "leads out of the package"},
		"a link out": {makeDeb(t, ".gz", &tar.Header{Typeflag: tar.TypeLink, Name: "./a", Linkname: "../../etc/shadow"}),
			"leads out of the package"},
	} {
		t.Run(name, func(t *testing.T) {
			err := data(bytes.NewReader(c.deb), func(_ *tar.Header, r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestMerged(t *testing.T) {
	for from, to := range map[string]string{
		"bin/sh": "usr/bin/sh", "lib": "usr/lib", "lib64/ld.so": "usr/lib64/ld.so",
		"usr/bin/sh": "usr/bin/sh", "etc/passwd": "etc/passwd", "binary": "binary",
	} {
		require.Equal(t, to, Merged(from))
	}
}

func TestTreeNeedsFollowsLinks(t *testing.T) {
	deb := writeDeb(t, ".gz",
		regular("./bin/tool"),
		&tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/bin/alias", Linkname: "../../bin/tool"},
		&tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/bin/absolute", Linkname: "/usr/bin/alias"},
		&tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/bin/dead", Linkname: "nowhere"})
	tree, err := Unpack("amd64", []string{deb})
	require.NoError(t, err)

	names, err := tree.Needs("bin/absolute")
	require.NoError(t, err)
	require.Equal(t, []string{"usr/bin/absolute", "usr/bin/alias", "usr/bin/tool"}, names)

	_, err = tree.Needs("usr/bin/dead")
	require.ErrorContains(t, err, "usr/bin/nowhere needs to run: the packages do not have it")
	require.True(t, strings.HasPrefix(string(tree.Entry("bin/tool").Content), "content of"))
}
