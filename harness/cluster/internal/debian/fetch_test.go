package debian

import (
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

	"rolecall/harness/download"
	"rolecall/harness/next"
)

const body = "twenty-one characters"

func bodyFile() download.File {
	sum := sha256.Sum256([]byte(body))
	return download.File{Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
}

// serve answers with handlers in turn, the last one again and again.
func serve(t *testing.T, handlers ...http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	before := mirrors.Pause
	mirrors.Pause = time.Millisecond
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		handlers[min(n, len(handlers)-1)](w, r)
	}))
	t.Cleanup(func() { s.Close(); mirrors.Pause = before })
	return s.URL + "/a.deb", asked
}

func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "a.deb", time.Time{}, strings.NewReader(body))
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestFetch(t *testing.T) {
	url, asked := serve(t, status(503), whole)
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	for range 2 { // the second time it is there
		path, err := store.fetch(t.Context(), url, bodyFile(), nil)
		require.NoError(t, err)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, body, string(b))
	}
	require.Equal(t, int32(2), asked.Load())
}

func TestFetchNamesTheMirror(t *testing.T) {
	url, _ := serve(t, status(500))
	store, err := newCache(t.TempDir())
	require.NoError(t, err)
	_, err = store.fetch(t.Context(), url, bodyFile(), nil)
	require.ErrorContains(t, err, "500")
	require.Contains(t, next.Of(err), MirrorVariable)
	require.NoFileExists(t, filepath.Join(store.dir, bodyFile().SHA256))
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
