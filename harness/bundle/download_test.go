package bundle

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/gocommand"
	"rolecall/harness/next"
)

func hurry(t *testing.T) {
	t.Helper()
	usual := network
	network.Pause, network.Stall = time.Millisecond, 200*time.Millisecond
	t.Cleanup(func() { network = usual })
}

// served is a site with a bundle; before a request is answered, meddle may
// answer it.
func served(t *testing.T, dir string, meddle func(w http.ResponseWriter, r *http.Request) bool) (url string, said func() []string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	server := &Server{Folder: opened(t, dir), Start: "./rolecall lab 1", Say: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}}
	handler := server.Handler()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if meddle == nil || !meddle(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(site.Close)
	return site.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return lines
	}
}

func TestInstallFromASite(t *testing.T) {
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, 1000)
	url, said := served(t, dir, nil)
	require.NoError(t, Install(t.Context(), l.Target, url+"/"))
	assert.Len(t, l.toolchains(t), 1)
	assert.Equal(t, "an image", l.engine.images["node:1"])
	assert.NoDirExists(t, filepath.Join(l.Home, gocommand.Folder, downloads), "it would only take room")
	assert.Contains(t, said(), "127.0.0.1 has "+goName+".000")
	assert.NotContains(t, strings.Join(said(), "\n"), programName, "whoever installs has it")
	before := len(said())
	require.NoError(t, Install(t.Context(), l.Target, url))
	assert.Len(t, said(), before, "nothing is downloaded twice")
}

// TestACutDownloadIsResumed cuts each first answer in the middle.
func TestACutDownloadIsResumed(t *testing.T) {
	hurry(t)
	for name, resumes := range map[string]bool{"by range": true, "by a server that has no ranges": false} {
		t.Run(name, func(t *testing.T) {
			dir, l := t.TempDir(), newLaptop(t)
			small(t, dir, 2000)
			var ranges []string
			url, _ := served(t, dir, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/"+goName) {
					return false
				}
				ranges = append(ranges, r.Header.Get("Range"))
				text, _ := os.ReadFile(filepath.Join(dir, r.URL.Path))
				switch {
				case len(ranges) == 1:
					w.Header().Set("Content-Length", strconv.Itoa(len(text)))
					_, _ = w.Write(text[:len(text)/2])
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				case !resumes:
					_, _ = w.Write(text)
					return true
				}
				return false
			})
			require.NoError(t, Install(t.Context(), l.Target, url))
			assert.Len(t, l.toolchains(t), 1)
			assert.Equal(t, "bytes=1000-", ranges[1])
		})
	}
}

// TestAnInterruptedDownloadIsResumedByTheNextCommand leaves half of a piece.
func TestAnInterruptedDownloadIsResumedByTheNextCommand(t *testing.T) {
	hurry(t)
	dir, l := t.TempDir(), newLaptop(t)
	piece := small(t, dir, maxFile).Files[1].Pieces[0]
	text, err := os.ReadFile(filepath.Join(dir, piece.Name))
	require.NoError(t, err)
	part := filepath.Join(l.Home, gocommand.Folder, downloads, piece.SHA256+".part")
	require.NoError(t, os.MkdirAll(filepath.Dir(part), 0o700))
	for what, left := range map[string]string{"half of it": string(text[:1500]), "all of it": string(text), "something else": noise(100), "too much": noise(10_000)} {
		t.Run(what, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(l.Home, gocommand.Folder)))
			require.NoError(t, os.MkdirAll(filepath.Dir(part), 0o700))
			require.NoError(t, os.WriteFile(part, []byte(left), 0o600))
			url, _ := served(t, dir, nil)
			require.NoError(t, Install(t.Context(), l.Target, url))
			assert.Len(t, l.toolchains(t), 1)
		})
	}
}

func TestADownloadThatIsDamagedIsNotUsed(t *testing.T) {
	hurry(t)
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, maxFile)
	damageByte(t, dir, goName)
	url, _ := served(t, dir, nil)
	err := Install(t.Context(), l.Target, url)
	require.ErrorContains(t, err, "downloading "+goName+": what arrived is damaged")
	assert.NotEmpty(t, next.Of(err))
	assert.Empty(t, l.toolchains(t))
}

func TestASiteThatIsNotThere(t *testing.T) {
	hurry(t)
	dir, l := t.TempDir(), newLaptop(t)
	small(t, dir, maxFile)
	for what, test := range map[string]struct {
		meddle func(w http.ResponseWriter, r *http.Request) bool
		says   string
	}{
		"no bundle": {func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }, "the server has no such file"},
		"no file": {func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path != "/"+IndexFile && notFound(w, r)
		}, "the server has no such file"},
		"an error":    {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }, "502 Bad Gateway"},
		"another one": {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true }, "it is no index of a bundle"},
		"silence":     {func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, "nothing arrived for 200ms"},
		"endless":     {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(make([]byte, 2<<20)); return true }, "it is longer than 1048576 bytes"},
	} {
		t.Run(what, func(t *testing.T) {
			url, _ := served(t, dir, test.meddle)
			err := Install(t.Context(), l.Target, url)
			require.ErrorContains(t, err, test.says)
			assert.Empty(t, l.toolchains(t))
		})
	}
	err := Install(t.Context(), l.Target, "http://127.0.0.1:1")
	require.ErrorContains(t, err, "opening the bundle http://127.0.0.1:1: ")
	assert.Equal(t, network.Advice, next.Of(err))
}

func notFound(w http.ResponseWriter, r *http.Request) bool {
	http.NotFound(w, r)
	return true
}
