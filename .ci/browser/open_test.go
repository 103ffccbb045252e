// Package browser opens the golden pages of the gradebook and of reports in a
// real browser: a Chromium that is installed, without a window, and offline.
package browser

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// opened is the page in a browser, and all that it complained about.
type opened struct {
	context.Context
	mu         sync.Mutex
	complaints []string
	requests   []string
}

// open opens a page of a package of the harness.
func open(t *testing.T, page string, scripts bool) *opened {
	t.Helper()
	page, err := filepath.Abs(filepath.Join("../../harness", page))
	require.NoError(t, err)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.WindowSize(1200, 900), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"))
	if os.Getuid() == 0 { // Chromium's own sandbox refuses root; the page is ours
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	o := &opened{}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(o.hear))
	t.Cleanup(cancel)
	o.Context = ctx
	require.NoError(t, chromedp.Do(ctx))
	_, err = chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("file://"+page)))
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("h1"))))
	return o
}

func (o *opened) hear(event any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		o.complaints = append(o.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		o.complaints = append(o.complaints, string(e.Type))
	case *log.EventEntryAdded:
		o.complaints = append(o.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			o.requests = append(o.requests, e.Request.URL)
		}
	}
}

// ask evaluates an expression in the page.
func ask[T any](t *testing.T, o *opened, expression string) T {
	t.Helper()
	answer, err := chromedp.Run(o, chromedp.Evaluate[T](expression))
	require.NoError(t, err)
	return answer
}

// isSilent holds the page to asking for nothing but itself and to leaving the
// console alone.
func (o *opened) isSilent(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	assert.Empty(t, o.complaints, "the console is silent")
	assert.NotEmpty(t, o.requests)
	for _, url := range o.requests {
		assert.Truef(t, strings.HasPrefix(url, "file://") && strings.Contains(url, ".html"), "it asked for %s", url)
	}
}
