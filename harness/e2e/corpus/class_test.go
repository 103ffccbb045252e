package corpus

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/intake"
	"rolecall/labs"
)

// TestClass writes 200 submissions: each is there once, has a grade, and is
// taken in or refused as the class says, with nothing beside its folder.
func TestClass(t *testing.T) {
	dir, folders := t.TempDir(), t.TempDir()
	course := labs.Course()
	class, err := Class(dir, course, os.DirFS("../../../"+course.Path), 200)
	require.NoError(t, err)
	require.Len(t, class, 200)
	submissions, err := os.ReadDir(dir)
	require.NoError(t, err)
	byName := map[string]HandedIn{}
	count := map[string]int{}
	for _, h := range class {
		byName[h.Name] = h
		switch {
		case h.Refused:
			count["refused"]++
			assert.Zero(t, h.Points)
		case h.Points == 100:
			count["full"]++
			assert.Empty(t, h.NotPassed)
		default:
			count["partial"]++
			assert.NotEmpty(t, h.NotPassed)
			assert.GreaterOrEqual(t, h.Points, 80, "%s has one mistake", h.Name)
		}
	}
	require.Len(t, byName, len(class))
	require.Len(t, submissions, len(class))
	t.Logf("%v", count)
	assert.GreaterOrEqual(t, count["refused"], 20)
	assert.Greater(t, count["full"], 40)
	assert.Greater(t, count["partial"], 80)
	taker := intake.New(course, course.Labs)
	for i, s := range submissions {
		h, known := byName[s.Name()]
		require.True(t, known, "%q", s.Name())
		taken, err := taker.Take(filepath.Join(dir, s.Name()), filepath.Join(folders, strconv.Itoa(i)))
		_, refused := intake.AsRefusal(err)
		require.Equal(t, h.Refused, refused, "%q: %v", s.Name(), err)
		if !refused {
			require.NoError(t, err)
			assert.DirExists(t, taken.Dir)
		}
	}
	entries, err := os.ReadDir(folders)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(entries), len(class), "nothing beside them")
	assert.NoFileExists(t, "/tmp/evil")
}

func TestGradesFollowFromWhatIsNeeded(t *testing.T) {
	h := graded(labs.Course(), []string{"token.authenticated"})
	assert.Equal(t, []string{"token.authenticated", "token.fresh", "token.ca-verified", "token.namespace"}, h.NotPassed)
	assert.Equal(t, 84, h.Points)
}
