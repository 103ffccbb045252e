package browser

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var screenshot = flag.String("screenshot", "", "a `file` for a picture of the sorted page with a cell opened")

// gradebook is a page whose learners attack it by their names and by what their
// programs print.
const gradebook = "gradebook/testdata/gradebook.html"

const column = `[...document.querySelectorAll("#grades tbody tr")].map(row => row.cells[%].textContent.trim())`

func cells(t *testing.T, o *opened, index string) []string {
	t.Helper()
	return ask[[]string](t, o, strings.Replace(column, "%", index, 1))
}

// TestFind shows the rows of a name or an outcome, and all without either.
func TestFind(t *testing.T) {
	o := open(t, gradebook, true)
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
	o := open(t, gradebook, true)
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
	o.isSilent(t)
}

func TestReadableWithoutScripts(t *testing.T) {
	o := open(t, gradebook, false)
	require.NoError(t, chromedp.Do(o, chromedp.Click(chromedp.CSS(`[id="s2"] details summary`)), chromedp.WaitVisible(chromedp.CSS(`[id="s2-pod.manifest"]`))))
	assert.Zero(t, ask[int](t, o, `document.querySelectorAll("thead button").length`), "no button that does nothing")
}
