// Package browser opens the gradebook's golden page in a real browser: a
// Chromium that is installed, without a window. The page is one whose learners
// attack it by their names and by what their programs print.
package browser

import (
	"context"
	"flag"
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

var screenshot = flag.String("screenshot", "", "a `file` for a picture of the sorted page with a cell opened")

// opened is the page in a browser, and all that it complained about.
type opened struct {
	context.Context
	mu         sync.Mutex
	complaints []string
	requests   []string
}

func open(t *testing.T, scripts bool) *opened {
	t.Helper()
	page, err := filepath.Abs("../../harness/gradebook/testdata/gradebook.html")
	require.NoError(t, err)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.WindowSize(1200, 900))
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
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#grades"))))
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

const column = `[...document.querySelectorAll("#grades tbody tr")].map(row => row.cells[%].textContent.trim())`

func cells(t *testing.T, o *opened, index string) []string {
	t.Helper()
	return ask[[]string](t, o, strings.Replace(column, "%", index, 1))
}

// TestFind shows the rows of a name or an outcome, and all without either.
func TestFind(t *testing.T) {
	o := open(t, true)
	visible := `[...document.querySelectorAll("#grades tbody tr")].filter(row => row.checkVisibility()).map(row => row.cells[0].textContent)`
	enter := func(field, text string) []string {
		return ask[[]string](t, o, `{ const field = document.querySelector("#find `+field+`"); field.value = "`+text+`"; field.dispatchEvent(new Event(field.type === "search" ? "input" : "change")); } `+visible)
	}
	all := enter("input", "")
	assert.Greater(t, len(all), 3)
	assert.Equal(t, []string{"bob"}, enter("input", "BOb"))
	assert.True(t, ask[bool](t, o, `document.getElementById("s2").checkVisibility() && !document.getElementById("s1").checkVisibility()`))
	assert.Empty(t, enter("select", "pass"))
	assert.Equal(t, []string{"ada.zip"}, enter("input", ""))
	assert.Equal(t, all, enter("select", ""))
}

func TestSortAndOpen(t *testing.T) {
	o := open(t, true)
	names, points := cells(t, o, "0"), cells(t, o, "2")
	click := func(head string) {
		t.Helper()
		require.NoError(t, chromedp.Do(o, chromedp.Click(chromedp.CSS(head+" button"))))
	}
	click(`[data-column="2"]`)
	up := cells(t, o, "2")
	assert.Equal(t, []string{"20", "40"}, up[len(up)-2:])
	click(`[data-column="2"]`)
	assert.Equal(t, []string{"40", "20", ""}, cells(t, o, "2")[:3])
	assert.Equal(t, "descending", ask[string](t, o, `document.querySelector('[data-column="2"]').getAttribute("aria-sort")`))
	click(`[data-check="pod.manifest"]`)
	assert.Equal(t, "bob", cells(t, o, "0")[0], "the only one that failed it")
	click(`[data-column="0"]`)
	sorted := cells(t, o, "0")
	assert.True(t, slices.IsSortedFunc(sorted, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }))
	assert.ElementsMatch(t, names, sorted, "no row is lost")
	assert.ElementsMatch(t, points, cells(t, o, "2"))

	assert.False(t, ask[bool](t, o, `document.getElementById("s2-pod.manifest").checkVisibility()`))
	require.NoError(t, chromedp.Do(o,
		chromedp.Click(chromedp.CSS(`a[href="#s2-pod.manifest"]`)),
		chromedp.WaitVisible(chromedp.CSS(`[id="s2-pod.manifest"]`))))
	assert.Contains(t, ask[string](t, o, `document.getElementById("s2-pod.manifest").textContent`), "found: a Deployment")
	if *screenshot != "" {
		picture, err := chromedp.Run(o, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*screenshot, picture, 0o644))
	}

	assert.Equal(t, "Gradebook", ask[string](t, o, "document.title"), "no text of a learner's ran")
	o.mu.Lock()
	defer o.mu.Unlock()
	assert.Empty(t, o.complaints, "the console is silent")
	for _, url := range o.requests {
		assert.True(t, strings.HasPrefix(url, "file://") && strings.Contains(url, "gradebook.html"), url)
	}
}

func TestReadableWithoutScripts(t *testing.T) {
	o := open(t, false)
	require.NoError(t, chromedp.Do(o, chromedp.Click(chromedp.CSS(`[id="s2"] details summary`)), chromedp.WaitVisible(chromedp.CSS(`[id="s2-pod.manifest"]`))))
	assert.Zero(t, ask[int](t, o, `document.querySelectorAll("thead button").length`), "no button that does nothing")
}
