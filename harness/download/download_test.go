package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

const body = "twenty-one characters"

func bodyFile() File {
	sum := sha256.Sum256([]byte(body))
	return File{int64(len(body)), hex.EncodeToString(sum[:])}
}

// hasty is a client that waits for nothing.
func hasty() Client {
	c := New("ask around")
	c.Pause, c.Stall = time.Millisecond, 200*time.Millisecond
	return c
}

func opened(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// serve answers with handlers in turn, the last one again and again.
func serve(t *testing.T, handlers ...http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		handlers[min(n, len(handlers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
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

// silent sends some bytes and then none.
func silent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "21")
	w.Write([]byte(body[:6]))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestFetch(t *testing.T) {
	for name, c := range map[string]struct {
		handlers []http.HandlerFunc
		asked    int32
	}{
		"at once":                      {[]http.HandlerFunc{whole}, 1},
		"after a server's fault":       {[]http.HandlerFunc{status(503), whole}, 2},
		"after too many requests":      {[]http.HandlerFunc{status(429), whole}, 2},
		"resumed":                      {[]http.HandlerFunc{cutShort, whole}, 2},
		"resumed after silence":        {[]http.HandlerFunc{silent, whole}, 2},
		"resumed where it cannot be":   {[]http.HandlerFunc{cutShort, ignoresRange}, 2},
		"after something else arrived": {[]http.HandlerFunc{something, whole}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := serve(t, c.handlers...)
			root := opened(t)
			for range 2 { // the second time it is there
				have := int64(0)
				require.NoError(t, hasty().Fetch(t.Context(), url, bodyFile(), root, func(n int64) { have = n }))
				require.Equal(t, int64(len(body)), have)
				b, err := root.ReadFile(bodyFile().SHA256)
				require.NoError(t, err)
				require.Equal(t, body, string(b))
			}
			require.Equal(t, c.asked, asked.Load())
		})
	}
}

// TestFetchContinuesWhatAnotherCallLeft leaves part of a file.
func TestFetchContinuesWhatAnotherCallLeft(t *testing.T) {
	for left, asked := range map[string]int32{
		body[:6]: 1, body: 0, "anything": 2, "something else, but as long": 1, // what ends too late is seen without asking
	} {
		url, requests := serve(t, whole)
		root := opened(t)
		require.NoError(t, root.WriteFile(bodyFile().SHA256+".part", []byte(left), 0o600))
		require.NoError(t, hasty().Fetch(t.Context(), url, bodyFile(), root, nil))
		b, err := root.ReadFile(bodyFile().SHA256)
		require.NoError(t, err)
		require.Equal(t, body, string(b))
		require.Equal(t, asked, requests.Load(), left)
		require.NoFileExists(t, root.Name()+"/"+bodyFile().SHA256+".part")
	}
}

func TestFetchGivesUp(t *testing.T) {
	attempts := int32(hasty().Attempts)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		asked   int32
		says    string
	}{
		"not there":        {status(404), 1, "404"},
		"not allowed":      {status(403), 1, "403"},
		"broken server":    {status(500), attempts, "500"},
		"always another":   {something, attempts, "does not have the SHA-256"},
		"always silent":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, attempts, "nothing arrived for 200ms"},
		"always cut short": {func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); cutShort(w, r) }, attempts, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := serve(t, c.handler)
			root := opened(t)
			err := hasty().Fetch(t.Context(), url, bodyFile(), root, nil)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.asked > 1, next.Of(err) == "ask around")
			require.Equal(t, c.asked, asked.Load())
			require.NoFileExists(t, root.Name()+"/"+bodyFile().SHA256)
		})
	}
}

func TestFetchSaysWhyNothingAnswers(t *testing.T) {
	err := hasty().Fetch(t.Context(), "http://127.0.0.1:1/a.deb", bodyFile(), opened(t), nil)
	require.ErrorContains(t, err, "reading http://127.0.0.1:1/a.deb: ")
	require.ErrorContains(t, err, "connection refused")
}

func TestFetchStopsWhenCancelled(t *testing.T) {
	url, asked := serve(t, status(503))
	patient := hasty()
	patient.Pause = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	require.ErrorIs(t, patient.Fetch(ctx, url, bodyFile(), opened(t), nil), context.Canceled)
	require.Equal(t, int32(1), asked.Load())
}

func TestReadIsBounded(t *testing.T) {
	url, _ := serve(t, cutShort, whole)
	text, err := hasty().Read(t.Context(), url, 21)
	require.NoError(t, err)
	require.Equal(t, body, string(text))
	_, err = hasty().Read(t.Context(), url, 20)
	require.ErrorContains(t, err, "longer than 20 bytes")
}
