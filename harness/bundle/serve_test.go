package bundle

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask requests a path and returns status and body.
func ask(t *testing.T, method, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	if change != nil {
		change(request)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(body)
}

func TestOnlyTheBundleIsServed(t *testing.T) {
	dir := t.TempDir()
	x := small(t, dir, maxFile)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "marks.csv"), []byte("secret"), 0o644))
	url, said := served(t, dir, nil)
	for _, path := range []string{"/", "/marks.csv", "/../" + filepath.Base(dir) + "/marks.csv", "/%2e%2e/x", "/etc/passwd", "//etc/passwd", "/" + IndexFile + "/", "/./" + IndexFile} {
		answer, _ := ask(t, http.MethodGet, url+path, nil)
		assert.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
	answer, _ := ask(t, http.MethodPost, url+"/"+IndexFile, nil)
	assert.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	answer, body := ask(t, http.MethodGet, url+"/"+IndexFile, nil)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Contains(t, body, goName)
	assert.Empty(t, said())

	name := url + "/" + goName
	_, _ = ask(t, http.MethodHead, name, nil)
	answer, body = ask(t, http.MethodGet, name, func(r *http.Request) { r.Header.Set("Range", "bytes=5-9") })
	assert.Equal(t, http.StatusPartialContent, answer.StatusCode)
	assert.Len(t, body, 5)
	assert.Empty(t, said(), "it has not all of it")
	_, body = ask(t, http.MethodGet, name, func(r *http.Request) { r.Header.Set("Range", "bytes=10-") })
	assert.Len(t, body, int(x.Files[1].Size-10))
	_, _ = ask(t, http.MethodGet, name, nil)
	assert.Equal(t, []string{"127.0.0.1 has " + goName, "127.0.0.1 has " + goName}, said())

	require.NoError(t, os.Remove(filepath.Join(dir, goName)))
	require.NoError(t, os.Symlink("marks.csv", filepath.Join(dir, goName)))
	answer, _ = ask(t, http.MethodGet, name, nil)
	assert.Equal(t, http.StatusNotFound, answer.StatusCode, "what took its place is not served")
}

func TestTheScriptRepeatsNothingButAHost(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, maxFile)
	url, _ := served(t, dir, nil)
	for host, status := range map[string]int{
		"192.168.1.5:8080": http.StatusOK, "teacher.local": http.StatusOK, "[fe80::1]:8080": http.StatusOK,
		"a'b": http.StatusBadRequest, "a;b": http.StatusBadRequest, "$(x)": http.StatusBadRequest, "a:b": http.StatusBadRequest, "a:123456": http.StatusBadRequest,
	} {
		answer, body := ask(t, http.MethodGet, url+Script, func(r *http.Request) { r.Host = host })
		assert.Equal(t, status, answer.StatusCode, host)
		if status == http.StatusOK {
			assert.Contains(t, body, "url='http://"+host+"'\n")
		} else {
			assert.NotContains(t, body, host)
		}
	}
}

// installs runs the script in a folder, with the programs there first in PATH.
func installs(t *testing.T, url, dir string) (said string, err error) {
	t.Helper()
	_, script := ask(t, http.MethodGet, url+Script, nil)
	command := exec.CommandContext(t.Context(), "sh")
	command.Dir, command.Stdin = dir, strings.NewReader(script)
	command.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestScript(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("the script is for Linux")
		return
	}
	for name, limit := range map[string]int64{"in one piece": maxFile, "in pieces": 10} {
		t.Run(name, func(t *testing.T) {
			folder, dir := t.TempDir(), t.TempDir()
			w, err := newWriter(folder, limit)
			require.NoError(t, err)
			defer w.close()
			require.NoError(t, w.add(t.Context(), File{Content: Program, OS: runtime.GOOS, Arch: runtime.GOARCH}, func(to io.Writer) error {
				_, err := io.WriteString(to, "#!/bin/sh\necho \"$0 $*\"\n")
				return err
			}))
			_, err = w.commit("rev-1")
			require.NoError(t, err)
			url, log := served(t, folder, nil)
			out, err := installs(t, url, dir)
			require.NoError(t, err, out)
			assert.True(t, strings.HasSuffix(out, "./rolecall bundle install "+url+"\nRun ./rolecall lab 1\n"), out)
			assert.Equal(t, []string{"rolecall"}, list(t, dir))
			assert.NotEmpty(t, log())

			before := len(log())
			out, err = installs(t, url, dir)
			require.NoError(t, err, out)
			assert.Len(t, log(), before, "it is there already")

			first := opened(t, folder).Files[0].Pieces[0].Name
			require.NoError(t, os.Remove(filepath.Join(dir, "rolecall")))
			damageByte(t, folder, first)
			out, err = installs(t, url, dir)
			require.Error(t, err)
			assert.Contains(t, out, "What arrived is damaged.")
			assert.Empty(t, list(t, dir))

			require.NoError(t, os.Remove(filepath.Join(folder, first)))
			out, err = installs(t, url, dir)
			require.Error(t, err)
			assert.Contains(t, out, "The download failed.")
			assert.Empty(t, list(t, dir))
		})
	}
}

func TestScriptSaysWhatIsInTheWay(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("the script is for Linux")
		return
	}
	folder := t.TempDir()
	small(t, folder, maxFile)
	url, _ := served(t, folder, nil)
	for name, test := range map[string]struct {
		uname, says string
		before      func(dir string) error
	}{
		"macOS":         {`case $1 in -s) echo Darwin;; -m) echo arm64;; esac`, "This script is for Linux. On macOS,", nil},
		"Windows":       {`case $1 in -s) echo MINGW64_NT-10.0;; -m) echo x86_64;; esac`, "run it again inside WSL", nil},
		"no such file":  {`case $1 in -s) echo Linux;; -m) echo riscv64;; esac`, "There is no rolecall for this machine (Linux on riscv64)", nil},
		"a folder":      {"", "There is a folder with the name rolecall here.", func(dir string) error { return os.Mkdir(filepath.Join(dir, "rolecall"), 0o755) }},
		"a failed step": {"", "cannot install", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.uname != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "uname"), []byte("#!/bin/sh\n"+test.uname+"\n"), 0o755))
			}
			if test.before != nil {
				require.NoError(t, test.before(dir))
			}
			from := url
			if name == "a failed step" {
				broken := t.TempDir()
				w, err := newWriter(broken, maxFile)
				require.NoError(t, err)
				defer w.close()
				require.NoError(t, w.add(t.Context(), File{Content: Program, OS: runtime.GOOS, Arch: runtime.GOARCH}, func(to io.Writer) error {
					_, err := io.WriteString(to, "#!/bin/sh\necho cannot install >&2\nexit 2\n")
					return err
				}))
				_, err = w.commit("rev-1")
				require.NoError(t, err)
				from, _ = served(t, broken, nil)
			}
			out, err := installs(t, from, dir)
			require.Error(t, err)
			assert.Contains(t, out, test.says)
			assert.NotContains(t, out, "Run ./rolecall")
			assert.NoFileExists(t, filepath.Join(dir, "rolecall.part"))
		})
	}
}

func TestServeEndsInOrder(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, maxFile)
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	_, err = Listen(t.Context(), listener.Addr().String())
	require.ErrorContains(t, err, "serving the bundle: ")
	urls, err := URLs(listener)
	require.NoError(t, err)
	assert.Equal(t, []string{"http://" + listener.Addr().String()}, urls)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- (&Server{Folder: opened(t, dir), Say: func(string) {}}).Serve(ctx, listener)
	}()
	answer, _ := ask(t, http.MethodGet, urls[0]+"/"+IndexFile, nil)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

func TestURLsAreThisMachines(t *testing.T) {
	listener, err := Listen(t.Context(), ":0")
	require.NoError(t, err)
	defer listener.Close()
	urls, err := URLs(listener)
	require.NoError(t, err)
	require.NotEmpty(t, urls)
	for _, url := range urls {
		host, _, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		assert.NotNil(t, net.ParseIP(host).To4())
	}
}
