package learn

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDifferenceIsForThoseWhoPassedOrInsist(t *testing.T) {
	p, _, _ := learner(t)
	for _, want := range []bool{false, true, true} {
		may, err := p.MayCompare(p.course.Labs[1])
		require.NoError(t, err)
		assert.Equal(t, want, may)
	}
	tries(t, p, "dough")
	may, err := p.MayCompare(p.course.Labs[0])
	require.NoError(t, err)
	assert.True(t, may)
}

func TestDifference(t *testing.T) {
	p, submission, _ := learner(t)
	dough := p.course.Labs[0]
	_, err := p.Difference(dough)
	require.ErrorContains(t, err, "there is no folder")

	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(submission, "lab-1"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(submission, "lab-1", name), []byte(text), 0o644))
	}
	write("dough.yaml", "flour: 500\r\nwater: 200\r\n")
	write("call.go", "package main\n")
	all, err := p.Difference(dough)
	require.NoError(t, err)
	assert.Equal(t, []Compared{
		{File: "lab-1/call.sh", Yours: "lab-1/call.go", Other: true},
		{File: "lab-1/dough.yaml", Yours: "lab-1/dough.yaml", Lines: "--- yours\n+++ reference\n@@ -1,2 +1,2 @@\n flour: 500\n-water: 200\n+water: 300\n"},
	}, all)

	write("dough.yaml", "flour: 500\nwater: 300\n\n")
	require.NoError(t, os.Remove(filepath.Join(submission, "lab-1", "call.go")))
	all, err = p.Difference(dough)
	require.NoError(t, err)
	assert.Equal(t, []Compared{{File: "lab-1/call.sh"}, {File: "lab-1/dough.yaml", Yours: "lab-1/dough.yaml"}}, all)

	write("dough.yaml", "\x00")
	_, err = p.Difference(dough)
	require.EqualError(t, err, "comparing lab-1/dough.yaml: found binary data")
}
