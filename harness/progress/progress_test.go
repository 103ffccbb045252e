package progress

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// buffer is a bytes.Buffer that may be read while the display writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		d := New(&out, false)
		task := d.Begin("compiling", 2*time.Minute)
		for range 350 { // 35 s of constant news
			task.Update("7 of 9")
			time.Sleep(100 * time.Millisecond)
		}
		task.End(nil)
		require.Equal(t, []string{
			"compiling … (usually 2 min 00 s)",
			"compiling: 7 of 9, 8.0 s (usually 2 min 00 s)",
			"compiling: 7 of 9, 16 s (usually 2 min 00 s)",
			"compiling: 7 of 9, 24 s (usually 2 min 00 s)",
			"compiling: 7 of 9, 32 s (usually 2 min 00 s)",
			"compiling: done in 35 s",
		}, strings.Split(strings.TrimSpace(out.String()), "\n"))
	})
}

func TestFailureAndSecondEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		task := New(&out, false).Begin("loading", 0)
		task.End(errors.New("disk full"))
		task.End(nil)
		require.Equal(t, "loading …\nloading: failed after 0.0 s\n", out.String())
	})
}

func TestTerminalRedrawsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		d := New(&out, true)
		a, b := d.Begin("compiling", 0), d.Begin("downloading", 0)
		a.Update("3 of 4")
		time.Sleep(time.Second)
		require.NotContains(t, out.String(), "\n", "nothing ended yet")
		require.Contains(t, out.String(), "compiling: 3 of 4, 0.8 s · downloading, 0.8 s\x1b[K")
		b.End(nil)
		a.End(nil)
		require.True(t, strings.HasSuffix(out.String(), "\r\x1b[Kcompiling: done in 1.0 s\n"), "%q", out.String())
	})
}

func TestALineIsSaidAboveTheLiveOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		d := New(&out, true)
		d.Say("cluster: kind")
		task := d.Begin("starting", 0)
		d.Say("pods are chroots")
		task.End(nil)
		d.Say("over")
		require.Equal(t, "cluster: kind\n"+
			"\rstarting, 0.0 s\x1b[K"+
			"\r\x1b[Kpods are chroots\n\rstarting, 0.0 s\x1b[K"+
			"\r\x1b[Kstarting: done in 0.0 s\nover\n", out.String())
	})
}

func TestALineIsSaidInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		d := New(&out, false)
		task := d.Begin("starting", 0)
		d.Say("pods are chroots")
		task.End(nil)
		require.Equal(t, "starting …\npods are chroots\nstarting: done in 0.0 s\n", out.String())
	})
}

func TestNilIsSilent(t *testing.T) {
	var d *Display
	d.Say("anything")
	task := d.Begin("anything", 0)
	task.Update("x")
	task.End(nil)
}

func TestCut(t *testing.T) {
	require.Equal(t, "abc", cut("abc", 3))
	require.Equal(t, "äb…", cut("äbcd", 3))
}

func TestConcurrentUse(t *testing.T) {
	d := New(&buffer{}, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			task := d.Begin("x", time.Second)
			for range 100 {
				task.Update("y")
			}
			task.End(nil)
		})
	}
	wg.Wait()
}
