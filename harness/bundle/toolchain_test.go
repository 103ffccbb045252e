package bundle

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/check"
	"rolecall/harness/gocommand"
	"rolecall/harness/next"
)

// goStub answers as the go command does, and fills its caches when it is asked
// to download and to compile.
const goStub = `#!/bin/sh
case $1 in
env) echo "{\"GOROOT\": \"$ROOT\", \"GOVERSION\": \"go1.99\", \"GOMODCACHE\": \"/own\", \"GOPROXY\": \"off\"}" ;;
mod) mkdir -p "$GOMODCACHE/cache/download/m/@v" "$GOMODCACHE/cache/download/sumdb" "$GOMODCACHE/m@v1"
	echo zip >"$GOMODCACHE/cache/download/m/@v/v1.zip"
	touch "$GOMODCACHE/cache/download/m/@v/v1.lock" "$GOMODCACHE/cache/download/sumdb/x" "$GOMODCACHE/m@v1/m.go" ;;
build) mkdir -p "$GOCACHE/ab" "$GOCACHE/fuzz"
	sum=ab00000000000000000000000000000000000000000000000000000000000000
	printf 'v1 %s %s %20d %20d\n' $sum $sum 1 "$(date +%s)000000000" >"$GOCACHE/ab/$sum-a"
	echo package >"$GOCACHE/ab/$sum-d"
	touch "$GOCACHE/README" "$GOCACHE/trim.txt" "$GOCACHE/fuzz/x"
	echo "$GOFLAGS | $GOOS $GOARCH $CGO_ENABLED | $GOPROXY | $*" >"$SAID" ;;
esac
`

func TestMakeWithGo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the stub is a shell script")
		return
	}
	root, path, said := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "said")
	for _, name := range []string{
		"VERSION", "bin/go", "bin/gofmt", "pkg/tool/x_y/compile", "pkg/tool/x_y/vet", "pkg/include/textflag.h", "lib/time/zoneinfo.zip", "lib/wasm/x",
		"src/fmt/print.go", "src/fmt/print_test.go", "src/fmt/testdata/x.go", "src/cmd/go/main.go", "test/x.go", "api/x.txt", "doc/x", "misc/x",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(name), 0o644))
	}
	require.NoError(t, os.Rename(filepath.Join(root, "src"), filepath.Join(root, "elsewhere")))
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(root, "src")), "as Debian has it")
	require.NoError(t, os.WriteFile(filepath.Join(path, "go"), []byte(goStub), 0o755))
	t.Setenv("PATH", path+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("ROOT", root)
	t.Setenv("SAID", said)

	program := filepath.Join(t.TempDir(), "rolecall")
	require.NoError(t, os.WriteFile(program, []byte("itself"), 0o644))
	order := Order{
		Dir: filepath.Join(t.TempDir(), "new", "stick"), Program: program, Rolecall: "rev-1", Go: true,
		Engine: &harbour{arch: "mips", images: map[string]string{"node:1": "an image"}},
		Module: check.Module{Mod: "module program\n", Usual: []string{"a/b", "c"}},
	}
	x, err := Make(t.Context(), order)
	require.NoError(t, err)
	line, err := os.ReadFile(said)
	require.NoError(t, err)
	assert.Equal(t, gocommand.Flags+" -mod=readonly -modcacherw -p="+strconv.Itoa(runtime.GOMAXPROCS(0))+" | linux "+runtime.GOARCH+" 0 | file:///own/cache/download,off | build std a/b c\n", string(line))
	again, err := Make(t.Context(), order)
	require.NoError(t, err)
	assert.Equal(t, x, again, "the same makes the same")
	assert.Equal(t, "go1.99 for "+runtime.GOOS+"/"+runtime.GOARCH+", with the modules and compiled packages of learners' programs; rolecall bundle install unpacks it", x.Files[1].For)

	l := newLaptop(t)
	require.NoError(t, Install(t.Context(), l.Target, order.Dir))
	assert.Equal(t, "an image", l.engine.images["node:1"])
	folder := l.toolchains(t)[0]
	var files []string
	require.NoError(t, filepath.WalkDir(folder, func(file string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(folder, file)
			files = append(files, filepath.ToSlash(name))
		}
		return err
	}))
	sum := "ab" + strings.Repeat("0", 62)
	assert.Equal(t, []string{
		"cache/ab/" + sum + "-a", "cache/ab/" + sum + "-d",
		"go/VERSION", "go/bin/go", "go/lib/time/zoneinfo.zip", "go/pkg/include/textflag.h", "go/pkg/tool/x_y/compile", "go/src/fmt/print.go",
		"modules/cache/download/m/@v/v1.zip",
	}, files)
	info, err := os.Stat(filepath.Join(folder, "cache", "ab", sum+"-d"))
	require.NoError(t, err)
	assert.True(t, info.ModTime().Equal(future), "or Go would delete it")
	info, err = os.Stat(filepath.Join(folder, "go", "pkg", "tool", "x_y", "compile"))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&0o100)
}

func TestMakeWithGoNeedsGo(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(t.TempDir(), "rolecall")
	require.NoError(t, os.WriteFile(program, []byte("itself"), 0o644))
	t.Setenv("PATH", t.TempDir())
	_, err := Make(t.Context(), Order{Dir: dir, Program: program, Rolecall: "rev-1", Go: true})
	require.ErrorContains(t, err, "there is no go command in PATH")
	assert.Equal(t, "install Go from https://go.dev/dl", next.Of(err))
	assert.Empty(t, list(t, dir))
}
