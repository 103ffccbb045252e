package e2e_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTour takes the tour: it ends with the API server's own refusal, within the
// 90 s that a newcomer is promised where the cluster is built, and leaves nothing
// behind.
func TestTour(t *testing.T) {
	bed := bed(t)
	require.NoError(t, bed.Down(t.Context()))
	began := time.Now()
	out, err := bed.rolecall(t, "tour").Output()
	require.NoError(t, err, "%s", out)
	assert.Less(t, time.Since(began), 90*time.Second)
	said := string(out)
	require.Equal(t, len(fix.course.Tour.Checks), len(regexp.MustCompile(`(?m)^\d of \d  `).FindAllString(said, -1)), said)
	_, last, _ := strings.Cut(said, "5 of 5")
	assert.Contains(t, last, "403 Forbidden")
	assert.Contains(t, last, `"system:serviceaccount:default:default"`)
	shown, _, _ := strings.Cut(said, "\nNext: ") // which names this test's command
	for line := range strings.Lines(shown) {
		assert.LessOrEqual(t, len([]rune(line)), 81, "a screen is 80 columns wide: %s", line)
	}
	for screen := range strings.SplitSeq(shown, " of 5  ") {
		assert.LessOrEqual(t, strings.Count(screen, "\n"), 24-4, "and 24 lines high: %s", screen)
	}
	assert.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10}`, said, "no token is shown")
	require.NoError(t, bed.Up(t.Context()))
	require.NoError(t, bed.unchanged(t.Context(), func() error {
		return bed.rolecall(t, "tour").Run()
	}))
}

// TestTourInterrupted ends it at any moment.
func TestTourInterrupted(t *testing.T) {
	bed := bed(t)
	require.NoError(t, bed.Up(t.Context()))
	require.NoError(t, bed.unchanged(t.Context(), func() error {
		for _, after := range []time.Duration{50, 100, 200, 300, 500} {
			ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
			cmd := bed.rolecall(t, "tour")
			require.NoError(t, cmd.Start())
			<-ctx.Done()
			cancel()
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
		return nil
	}))
}
