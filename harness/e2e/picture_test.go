package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"rolecall/harness/e2e/corpus"
)

// picture is the README's, of a run of lab 4 in which edit is granted for view.
const (
	picture  = "../../docs/lab-4.svg"
	pictured = "edit-instead-of-view"
)

// TestPictureIsTrue holds the README's picture to what is printed; -args -update
// draws it anew.
func TestPictureIsTrue(t *testing.T) {
	bed, dir := bed(t), t.TempDir()
	const work = "work" // where a learner's files are
	for _, c := range cases(t, lab(t, 4), corpus.Wrong) {
		if c.Name == pictured {
			require.NoError(t, c.Write(fix.course, filepath.Join(dir, work), ""))
		}
	}
	shown := bed.rolecall(t, "lab", "--submission", work, "4")
	shown.Dir = dir
	out, _ := shown.Output() // it ends with 1: not yet
	drawn := draw("$ make lab-4\n" + hint.ReplaceAllString(string(out), "make hint gives"))
	if *update {
		require.NoError(t, os.WriteFile(filepath.FromSlash(picture), []byte(drawn), 0o644))
	}
	there, err := os.ReadFile(filepath.FromSlash(picture))
	require.NoError(t, err)
	assert.Equal(t, string(there), drawn, "go test ./harness/e2e -run Picture -args --update draws it anew")
}

// hint matches a command with this test's cluster and folder, which a learner
// has none of.
var hint = regexp.MustCompile(`\S+ hint( --\S+)* gives`)

// The size of a character, of a line, and of the frame around them, in pixels.
const (
	character = 7.2
	line      = 18
	frame     = 16
)

// shape are the parts of a line that have a colour: the sign of an outcome, and
// the name of what is said of a failure.
var shape = regexp.MustCompile(`^( *)([✓✗!-])( .*)$|^(    )(\w+)( .*)$`)

var classes = map[string]string{"✓": "pass", "✗": "fail", "!": "fail", "-": "dim"}

// draw is a terminal's text as an image whose text can be read and searched, in
// a light and a dark room.
func draw(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	widest := 0
	var b strings.Builder
	for i, l := range lines {
		n := len([]rune(l))
		widest = max(widest, n)
		if n == 0 {
			continue
		}
		content := html.EscapeString(l)
		if p := shape.FindStringSubmatch(l); p != nil && p[2] != "" {
			content = fmt.Sprintf(`%s<tspan class="%s">%s</tspan>%s`, p[1], classes[p[2]], p[2], html.EscapeString(p[3]))
		} else if p != nil {
			content = fmt.Sprintf(`%s<tspan class="dim">%s</tspan>%s`, p[4], p[5], html.EscapeString(p[6]))
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" textLength=\"%.1f\">%s</text>\n", frame, frame+line*i+line*3/4, character*float64(n), content)
	}
	width, height := int(character*float64(widest))+2*frame, line*len(lines)+2*frame
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" xml:space="preserve" role="img" aria-label="make lab-4 in a terminal">
<style>
rect { fill: #f6f8fa; stroke: #d0d7de; }
text { fill: #1f2328; font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.pass { fill: #1a7f37; } .fail { fill: #cf222e; } .dim { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  rect { fill: #151b23; stroke: #3d444d; }
  text { fill: #f0f6fc; }
  .pass { fill: #3fb950; } .fail { fill: #ff7b72; } .dim { fill: #9198a1; }
}
</style>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="6"/>
%s</svg>
`, width, height, width-1, height-1, b.String())
}
