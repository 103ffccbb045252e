package harness

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ovenHints = "# Hints\n\n## oven.first\n\nIs it hot?\n\n```bash\n## not a heading\n```\n\n### A similar case\n\nA kettle.\n\n## oven.second\n\nIs it shut?\n\n### A similar case\n\nA door.\n"

// told is the bakery with hints and meanings for every lab.
func told() (Course, fstest.MapFS) {
	course := bakery()
	files := course.Files.(fstest.MapFS)
	for _, lab := range append(course.Labs, *course.Story) {
		hints := ""
		for _, c := range lab.Checks {
			hints += "## " + c.ID + "\n\nThink.\n\n### A similar case\n\nElsewhere.\n\n"
		}
		files[course.Dir(lab)+"/hints.md"] = &fstest.MapFile{Data: []byte(hints)}
		files[course.Dir(lab)+"/README.md"] = &fstest.MapFile{Data: []byte("# Lab\n\n## What it means\n\nHeat rises.\n\nNext: more\n")}
	}
	return course, files
}

func TestHintsAreRead(t *testing.T) {
	course, files := told()
	files["lab-2-oven/hints.md"].Data = []byte(ovenHints)
	hints, err := course.Hints(course.Labs[1])
	require.NoError(t, err)
	assert.Equal(t, map[string]Hint{
		"oven.first":  {"Is it hot?\n\n```bash\n## not a heading\n```", "A kettle."},
		"oven.second": {"Is it shut?", "A door."},
	}, hints)
	means, err := course.Meaning(course.Labs[1])
	require.NoError(t, err)
	assert.Equal(t, "Heat rises.", means, "the line that leads on is no part of it")
}

func TestACourseMayDoWithoutHints(t *testing.T) {
	for _, course := range []Course{bakery(), {Labs: bakery().Labs}} {
		hints, err := course.Hints(course.Labs[0])
		require.NoError(t, err)
		assert.Empty(t, hints)
		means, err := course.Meaning(course.Labs[0])
		require.NoError(t, err)
		assert.Empty(t, means)
		require.NoError(t, course.Validate())
	}
}

func TestValidateFindsWhatHintsLack(t *testing.T) {
	course, _ := told()
	require.NoError(t, course.Validate())
	for why, spoil := range map[string]struct{ old, new string }{
		"oven.frist is no check of the lab's": {"## oven.first", "## oven.frist"},
		"there is none for oven.second":       {"## oven.second", "### oven.second"},
		"oven.first is there twice":           {"## oven.second", "## oven.first"},
		"oven.first needs the idea":           {"Is it hot?\n\n```bash\n## not a heading\n```\n", ""},
		"oven.second needs the idea":          {"A door.", ""},
	} {
		course, files := told()
		files["lab-2-oven/hints.md"].Data = []byte(strings.Replace(ovenHints, spoil.old, spoil.new, 1))
		assert.ErrorContains(t, course.Validate(), why)
		assert.ErrorContains(t, course.Validate(), "lab-2-oven/hints.md", why)
	}
	for name, file := range map[string]string{"hints": "lab-6-cake/hints.md", "a meaning": "baking/README.md"} {
		course, files := told()
		delete(files, file)
		assert.ErrorContains(t, course.Validate(), "other labs have hints", name)
	}
}
