package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

const body = "twenty-one characters"

func bodyFile() file {
	sum := sha256.Sum256([]byte(body))
	return file{int64(len(body)), hex.EncodeToString(sum[:])}
}

// serve answers with handlers in turn, the last one again and again.
func serve(t *testing.T, handlers ...http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	before := pause
	pause = time.Millisecond
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		handlers[min(n, len(handlers)-1)](w, r)
	}))
	t.Cleanup(func() { s.Close(); pause = before })
	return s.URL + "/a.deb", asked
}

func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "a.deb", time.Time{}, strings.NewReader(body))
}

func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "21")
	w.Write([]byte(body[:6]))
	panic(http.ErrAbortHandler)
}

func ignoresRange(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func something(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte("something else, but as long"))
}

func TestFetch(t *testing.T) {
	for name, c := range map[string]struct {
		handlers []http.HandlerFunc
		asked    int32
	}{
		"at once":                      {[]http.HandlerFunc{whole}, 1},
		"after a server's fault":       {[]http.HandlerFunc{status(503), whole}, 2},
		"resumed":                      {[]http.HandlerFunc{cutShort, whole}, 2},
		"resumed where it cannot be":   {[]http.HandlerFunc{cutShort, ignoresRange}, 2},
		"after something else arrived": {[]http.HandlerFunc{something, whole}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := serve(t, c.handlers...)
			store, err := newCache(t.TempDir())
			require.NoError(t, err)
			for range 2 { // the second time it is there
				path, err := store.fetch(t.Context(), url, bodyFile(), nil)
				require.NoError(t, err)
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, body, string(b))
			}
			require.Equal(t, c.asked, asked.Load())
		})
	}
}

func TestFetchGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		asked   int32
		says    string
	}{
		"not there":        {status(404), 1, "404"},
		"broken server":    {status(500), attempts, "500"},
		"always another":   {something, attempts, "does not have the SHA-256"},
		"always cut short": {func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); cutShort(w, r) }, attempts, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := serve(t, c.handler)
			store, err := newCache(t.TempDir())
			require.NoError(t, err)
			_, err = store.fetch(t.Context(), url, bodyFile(), nil)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.asked > 1, strings.Contains(next.Of(err), MirrorVariable))
			require.Equal(t, c.asked, asked.Load())
			require.NoFileExists(t, filepath.Join(store.dir, bodyFile().sha256))
		})
	}
}

func TestFetchSaysWhyNothingAnswers(t *testing.T) {
	serve(t, whole) // for its short pause
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	_, err = store.fetch(t.Context(), "http://127.0.0.1:1/a.deb", bodyFile(), nil)
	require.ErrorContains(t, err, "connection refused")
}

func TestFetchStopsWhenCancelled(t *testing.T) {
	url, asked := serve(t, status(503))
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	pause = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = store.fetch(ctx, url, bodyFile(), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, int32(1), asked.Load())
}

func TestGetUsesWhatItReadLast(t *testing.T) {
	url, _ := serve(t, whole, status(503))
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	for range 2 {
		b, err := store.get(t.Context(), url, 100)
		require.NoError(t, err)
		require.Equal(t, body, string(b))
	}
	_, err = store.get(t.Context(), url+"other", 100)
	require.ErrorContains(t, err, "503")
}

func TestGetIsBounded(t *testing.T) {
	url, _ := serve(t, whole)
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	_, err = store.get(t.Context(), url, 20)
	require.ErrorContains(t, err, "longer than 20 bytes")
}

func TestOpenRefusesArchitecture(t *testing.T) {
	_, err := Open(t.Context(), t.TempDir(), "s390x", nil)
	require.ErrorContains(t, err, `"s390x"; it must be amd64 or arm64`)
}
