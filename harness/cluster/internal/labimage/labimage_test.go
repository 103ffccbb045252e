package labimage

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// cacheVariable names a folder for Debian packages. The tests that need the
// packages, a dozen megabytes from the network at first, run only with it.
const cacheVariable = "ROLECALL_TEST_CACHE"

func TestApplets(t *testing.T) {
	table := "[\x00[[\x00awk\x00busybox\x00cat\x00grep\x00id\x00ls\x00nc\x00sed\x00sh\x00sleep\x00tar\x00timeout\x00wget\x00"
	names, err := applets([]byte("code\x00" + table + "\x00more\x00"))
	require.NoError(t, err)
	require.Equal(t, "[ [[ awk cat grep id ls nc sed sh sleep tar timeout wget", strings.Join(names, " "))

	for wrong, says := range map[string]string{
		"":                              "not where it used to be",
		"\x00[\x00[[\x00cat\x00\x00":    "awk is not among the 3 found",
		"\x00[\x00[[\x00a/../b\x00\x00": "is no name",
		"\x00[\x00[[\x00cut off":        "is not among",
	} {
		_, err := applets([]byte(wrong))
		require.ErrorContains(t, err, says, "%q", wrong)
	}
}

func TestKeyDoesNotDependOnTheArchitecture(t *testing.T) {
	require.NotEqual(t, recipe("amd64"), recipe("arm64"))
	require.NotEmpty(t, Key())
}

func TestImage(t *testing.T) {
	cache := os.Getenv(cacheVariable)
	if cache == "" {
		t.Skip("set " + cacheVariable + " to a folder to run this")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			tree, err := packages(t.Context(), cache, arch, nil)
			require.NoError(t, err)
			dir := t.TempDir()
			first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
			require.NoError(t, write(first, arch, tree))
			require.NoError(t, write(second, arch, tree))
			a, err := os.ReadFile(first)
			require.NoError(t, err)
			b, err := os.ReadFile(second)
			require.NoError(t, err)
			require.True(t, bytes.Equal(a, b), "the same packages give the same bytes")

			img, err := tarball.ImageFromPath(first, nil)
			require.NoError(t, err)
			config, err := img.ConfigFile()
			require.NoError(t, err)
			require.Equal(t, arch, config.Architecture)
			require.Equal(t, []string{"sh"}, config.Config.Cmd)

			layers, err := img.Layers()
			require.NoError(t, err)
			require.Len(t, layers, 1)
			layer, err := layers[0].Uncompressed()
			require.NoError(t, err)
			defer layer.Close()
			root := filepath.Join(dir, "root")
			headers := unpack(t, layer, root)

			checkFiles(t, headers)
			if arch == runtime.GOARCH && runtime.GOOS == "linux" {
				checkBusybox(t, root, headers)
				checkCurl(t, root)
			}
		})
	}
}

// unpack writes a layer below root and returns its headers by name.
func unpack(t *testing.T, layer io.Reader, root string) map[string]*tar.Header {
	t.Helper()
	headers := map[string]*tar.Header{}
	for r := tar.NewReader(layer); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers
		}
		require.NoError(t, err)
		headers[path.Clean(h.Name)] = h
		file := filepath.Join(root, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			require.NoError(t, os.MkdirAll(file, 0o755))
		case tar.TypeSymlink:
			require.NoError(t, os.Symlink(h.Linkname, file))
		case tar.TypeLink:
			require.NoError(t, os.Link(filepath.Join(root, filepath.FromSlash(h.Linkname)), file))
		case tar.TypeReg:
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, b, h.FileInfo().Mode().Perm()))
		default:
			t.Fatalf("%s has the type %c", h.Name, h.Typeflag)
		}
	}
}

func checkFiles(t *testing.T, headers map[string]*tar.Header) {
	t.Helper()
	for name, h := range headers {
		require.Zero(t, h.FileInfo().Mode()&(fs.ModeSetuid|fs.ModeSetgid), name)
		require.Zero(t, h.Uid+h.Gid, name)
		if h.Typeflag == tar.TypeSymlink {
			target := follow(headers, name)
			require.Contains(t, headers, target, "%s leads nowhere", name)
		}
	}
	require.Equal(t, byte(tar.TypeDir), headers["bin"].Typeflag, "/bin is not /usr/bin")
	require.Contains(t, headers, "usr/bin/curl")
	require.NotContains(t, headers, "bin/curl")
	require.Equal(t, "/run", headers["var/run"].Linkname)
	require.Equal(t, "bin/busybox", headers["bin/sh"].Linkname)
	require.Equal(t, int64(0o1777), headers["tmp"].Mode)
}

// follow resolves a link, and links to folders on its way.
func follow(headers map[string]*tar.Header, name string) string {
	for range 10 {
		for dir := name; dir != "."; dir = path.Dir(dir) {
			if h := headers[dir]; h != nil && h.Typeflag == tar.TypeSymlink {
				target := h.Linkname
				if !path.IsAbs(target) {
					target = path.Join(path.Dir(dir), target)
				}
				name = strings.TrimPrefix(path.Join("/", target, strings.TrimPrefix(name, dir)), "/")
			}
		}
	}
	return name
}

func checkBusybox(t *testing.T, root string, headers map[string]*tar.Header) {
	t.Helper()
	out, err := exec.Command(filepath.Join(root, "bin", "busybox"), "--list").Output()
	require.NoError(t, err)
	tools := strings.Fields(string(out))
	require.Greater(t, len(tools), 200)
	for _, tool := range tools {
		require.Contains(t, headers, "bin/"+tool)
	}
	links := 0
	for name, h := range headers {
		if path.Dir(name) == "bin" && h.Linkname == "bin/busybox" {
			links++
		}
	}
	require.LessOrEqual(t, links, len(tools), "no link is to a tool that BusyBox does not have")
}

func checkCurl(t *testing.T, root string) {
	t.Helper()
	chroot, err := exec.LookPath("chroot")
	if err != nil || os.Geteuid() != 0 {
		t.Log("curl is run only by root")
		return
	}
	out, err := exec.Command(chroot, root, "/bin/sh", "-c", "command -v curl && curl --version && id -un").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "/usr/bin/curl\n")
	require.Contains(t, string(out), "https")
	require.True(t, strings.HasSuffix(string(out), "\nroot\n"), "%s", out)
}
