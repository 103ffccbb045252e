package harness

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bakery is a course on another subject.
func bakery() Course {
	lab := func(number int, slug string) Lab {
		return Lab{Number: number, Slug: slug, Title: slug, Checks: []Check{{ID: slug + ".first", Points: 10}, {ID: slug + ".second", Needs: []string{slug + ".first"}}}}
	}
	return Course{
		Name:  "baking",
		Labs:  []Lab{lab(1, "dough"), lab(2, "oven"), lab(6, "cake")},
		Story: &Lab{Slug: "baking", Checks: []Check{{ID: "baking.eaten", Needs: []string{"dough.first", "oven.second"}}}},
		Parts: []Part{{Name: "bread", First: 1, Last: 2}, {Name: "sweets", First: 6, Last: 6}},
		Files: fstest.MapFS{
			"lab-1-dough/starter/dough.yaml":  {Data: []byte("TODO\n")},
			"lab-1-dough/solution/dough.yaml": {Data: []byte("flour\n")},
			"lab-2-oven/starter/oven.yaml":    {Data: []byte("TODO\n")},
			"lab-2-oven/solution/oven.yaml":   {Data: []byte("hot\n")},
			"lab-6-cake/starter/cake.yaml":    {Data: []byte("TODO\n")},
			"lab-6-cake/solution/cake.yaml":   {Data: []byte("sugar\n")},
		},
		Path: "courses/baking",
	}
}

func TestSelect(t *testing.T) {
	for words, want := range map[string][]string{
		"": {"dough", "oven", "baking"}, "bread": {"dough", "oven", "baking"}, "1-2": {"dough", "oven", "baking"},
		"all": {"dough", "oven", "baking", "cake"}, "1-6": {"dough", "oven", "baking", "cake"},
		"sweets": {"cake"}, "6": {"cake"}, "2": {"oven"}, "2-6": {"oven", "cake"}, "6, 1": {"dough", "cake"}, "lab-2": {"oven"}, "1,2": {"dough", "oven", "baking"},
	} {
		labs, err := bakery().Select(words)
		require.NoError(t, err, words)
		var slugs []string
		for _, lab := range labs {
			slugs = append(slugs, lab.Slug)
		}
		assert.Equal(t, want, slugs, "LABS=%s", words)
	}
	for words, why := range map[string]string{
		"7": "has labs 1, 2, 6", "3-5": "names a lab that the course does not have", "1-9": "has labs 1, 2, 6", "x": "is not a lab", "2-1": "is not a lab", "1-": "is not a lab", "-1": "is not a lab",
		"1,,2": "", "pastry": "is not a lab", "99999999999999999999": "is not a lab",
	} {
		_, err := bakery().Select(words)
		if why == "" {
			require.NoError(t, err, "an empty word is the default part")
			continue
		}
		assert.ErrorContains(t, err, why, "LABS=%s", words)
	}
}

func TestLabByNumber(t *testing.T) {
	lab, err := bakery().Lab(6)
	require.NoError(t, err)
	assert.Equal(t, []any{"cake", "lab-6", "Lab 6: cake", 10, "courses/baking/lab-6-cake"}, []any{lab.Slug, lab.Folder(), lab.Heading(), lab.Points(), bakery().Source(lab)})
	_, err = bakery().Lab(3)
	assert.EqualError(t, err, `unknown lab "3": the course has labs 1, 2, 6`)
	assert.Equal(t, "courses/baking/baking", bakery().Source(*bakery().Story))
}

func TestValidateFindsWhatAnAuthorGetsWrong(t *testing.T) {
	require.NoError(t, bakery().Validate())
	for why, spoil := range map[string]func(*Course){
		"an id is unique":                               func(c *Course) { c.Labs[1].Checks[0].ID = "dough.first" },
		"starts with the lab's slug":                    func(c *Course) { c.Labs[0].Checks[0].ID = "bread.first" },
		"oven.second needs dough.first, which does not": func(c *Course) { c.Labs[1].Checks[1].Needs = []string{"dough.first"} },
		"needs dough.frist":                             func(c *Course) { c.Story.Checks[0].Needs = []string{"dough.frist"} },
		"numbers ascend":                                func(c *Course) { c.Labs[2].Number = 2 },
		"lab 6 belongs to no part":                      func(c *Course) { c.Parts = c.Parts[:1] },
		"has no labs":                                   func(c *Course) { c.Labs = nil },
	} {
		course := bakery()
		spoil(&course)
		assert.ErrorContains(t, course.Validate(), why)
	}
}

func TestStarterKeepsWhatTheLearnerWrote(t *testing.T) {
	course, dir := bakery(), t.TempDir()
	mine := filepath.Join(dir, "lab-1", "dough.yaml")
	require.NoError(t, os.MkdirAll(filepath.Dir(mine), 0o755))
	require.NoError(t, os.WriteFile(mine, []byte("rye\n"), 0o644))
	for _, lab := range course.Labs {
		placed, err := course.Starter(lab, dir)
		require.NoError(t, err)
		assert.Len(t, placed, 1)
	}
	text, err := os.ReadFile(mine)
	require.NoError(t, err)
	assert.Equal(t, "rye\n", string(text))
	assert.FileExists(t, filepath.Join(dir, "lab-6", "cake.yaml"))

	require.NoError(t, course.Solutions(t.TempDir()))
	placed, err := course.Solution(*course.Story, dir)
	require.NoError(t, err)
	assert.Empty(t, placed, "a story has no files")
}

func TestScreensAreTheChecksOfTheTour(t *testing.T) {
	course := func(text string) Course {
		return Course{
			Tour:  &Lab{Slug: "tour", Checks: []Check{{ID: "tour.a", Desc: "One"}, {ID: "tour.b", Desc: "Two"}}},
			Files: fstest.MapFS{"tour.md": {Data: []byte(text)}},
		}
	}
	screens, err := course("# Tour\n\nText.\n\n## One\n\nbefore\n\n<!-- seen -->\n\nafter\n\n## Two\n\n<!-- seen -->\n").Screens()
	require.NoError(t, err)
	assert.Equal(t, []Screen{{Before: "before\n\n", After: "\nafter\n"}, {Before: "", After: "\n"}}, screens)
	for text, want := range map[string]string{
		"":                        "has 0 sections for 2 checks",
		"\n## One\n\n## Two\n":    `the section "One" of tour.md is not headed "One", or has no line <!-- seen -->`,
		"\n## Two\n\n## One\n":    `is not headed "One"`,
		"\n## One\n<!-- seen -->": "has 1 sections for 2 checks",
	} {
		_, err := course(text).Screens()
		assert.ErrorContains(t, err, want)
	}
	none := course("")
	none.Files = fstest.MapFS{}
	_, err = none.Screens()
	assert.ErrorContains(t, err, "reading the tour")
}
