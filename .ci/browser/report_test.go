package browser

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pictures = flag.String("pictures", "", "a `directory` for pictures of reports, in light, dark and print")

// reports are the golden pages of harness/report, the one of hostile text among
// them.
func reports(t *testing.T) (pages []string) {
	files, err := filepath.Glob("../../harness/report/testdata/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		pages = append(pages, "report/testdata/"+filepath.Base(file))
	}
	return pages
}

// media shows the page as on that medium, in that colour scheme.
func (o *opened) media(t *testing.T, medium, scheme string) {
	t.Helper()
	_, err := chromedp.Call(o, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, err)
}

// axe are axe-core's violations in the page as it is.
func (o *opened) axe(t *testing.T) (violations []string) {
	t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	require.NoError(t, err, "npm ci in this folder brings it")
	ask[any](t, o, string(script)+"; null")
	text, err := chromedp.Run(o, chromedp.Evaluate[string](
		`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 150) + " " + n.failureSummary).join(" | "))))`,
		chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &violations))
	return violations
}

func TestReportsAreForEverybody(t *testing.T) {
	for _, file := range reports(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o := open(t, file, true)
			for _, scheme := range []string{"light", "dark"} {
				o.media(t, "screen", scheme)
				assert.Empty(t, o.axe(t), scheme)
				ask[any](t, o, `document.querySelectorAll("details").forEach(d => d.open = !d.open)`)
				assert.Empty(t, o.axe(t), "%s, opened", scheme)
			}
			assert.Zero(t, ask[int](t, o, `document.scripts.length`))
			assert.Zero(t, ask[int](t, o, `document.images.length`))
			for _, width := range []int64{1200, 700, 360} {
				require.NoError(t, chromedp.Do(o, chromedp.EmulateViewport(width, 900)))
				assert.LessOrEqual(t, ask[int](t, o, `document.documentElement.scrollWidth - innerWidth`), 0, "nothing is wider than a window of %d", width)
			}
			o.isSilent(t)
		})
	}
}

// TestReportsNeedNoMouse: the Tab key reaches every link, every summary and what
// scrolls, and each shows that it is reached.
func TestReportsNeedNoMouse(t *testing.T) {
	const all = `[...document.querySelectorAll("a[href], summary, [tabindex]")].filter(e => e.checkVisibility())`
	for _, file := range reports(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			o := open(t, file, true)
			expected := ask[int](t, o, all+`.length`)
			ask[any](t, o, `window.reached = new Set(); null`)
			for range expected {
				require.NoError(t, chromedp.Do(o, chromedp.KeyEvent(kb.Tab)))
				outline := ask[string](t, o, `reached.add(document.activeElement), getComputedStyle(document.activeElement).outlineStyle`)
				require.Equal(t, "solid", outline)
			}
			assert.Equal(t, expected, ask[int](t, o, all+`.filter(e => reached.has(e)).length`))
		})
	}
}

func TestReportsAreReadWithoutScripts(t *testing.T) {
	o := open(t, "report/testdata/lab-4-edit.html", false)
	require.NoError(t, chromedp.Do(o, chromedp.Click(chromedp.CSS(`.matrix summary`)), chromedp.WaitVisible(chromedp.CSS(`.matrix details pre`))))
	o.isSilent(t)
}

// TestPictures takes them where -pictures names a directory.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		return
	}
	for _, file := range reports(t) {
		name := filepath.Join(*pictures, strings.TrimSuffix(filepath.Base(file), ".html"))
		o := open(t, file, true)
		for _, scheme := range []string{"light", "dark"} {
			o.media(t, "screen", scheme)
			picture, err := chromedp.Run(o, chromedp.FullScreenshot(100))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name+"-"+scheme+".png", picture, 0o644))
		}
		o.media(t, "", "light")
		paper, err := chromedp.Call(o, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true), PaperWidth: 8.27, PaperHeight: 11.69})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name+".pdf", paper.Data, 0o644))
	}
}
