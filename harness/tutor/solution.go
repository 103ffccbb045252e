package tutor

import (
	"fmt"
	"io/fs"
	"path"
	"unicode"

	"rolecall/harness"
	"rolecall/harness/check"
)

// gram is so many letters and digits in a row that they make a text recognizable
// as a part of another.
type gram [16]rune

// secrets are what nothing may tell: all parts of the solutions, and of hints
// that the learner has not reached, which are in no text that learners read
// anyway.
type secrets struct{ grams map[gram]bool }

func newSecrets(course harness.Course, beyond map[string][]string) (*secrets, error) {
	s := &secrets{grams: map[gram]bool{}}
	all, err := course.Select("all")
	if err != nil {
		return nil, err
	}
	told := map[gram]bool{}
	for _, lab := range all {
		for _, c := range lab.Checks {
			add(told, c.Desc)
			for _, hint := range beyond[c.ID] {
				add(s.grams, hint)
			}
		}
		for _, part := range []struct {
			files string
			grams map[gram]bool
		}{{"README.md", told}, {"starter/*", told}, {"solution/*", s.grams}} {
			files, err := fs.Glob(course.Files, path.Join(course.Dir(lab), part.files))
			if err != nil {
				return nil, fmt.Errorf("reading the texts of %s: %w", lab.Heading(), err)
			}
			for _, file := range files {
				text, err := fs.ReadFile(course.Files, file)
				if err != nil {
					return nil, fmt.Errorf("reading %s: %w", file, err)
				}
				add(part.grams, string(text))
			}
		}
	}
	for g := range told {
		delete(s.grams, g)
	}
	return s, nil
}

// add adds all grams of a text.
func add(grams map[gram]bool, text string) {
	letters, _ := condense(text)
	for ; len(letters) >= len(gram{}); letters = letters[1:] {
		grams[gram(letters)] = true
	}
}

// condense is a text's letters and digits, without capitals, and where each is
// in it.
func condense(text string) (letters []rune, at []int) {
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			for _, folded := range fold(string(r)) {
				letters, at = append(letters, unicode.ToLower(folded)), append(at, i)
			}
		}
	}
	return letters, at
}

// hide is a text, bounded and printable, without what must not be told.
func (s *secrets) hide(text string) string {
	text = readable(check.Printable(text, maxText))
	letters, at := condense(text)
	told := make([]bool, len(text))
	for ; len(letters) >= len(gram{}); letters, at = letters[1:], at[1:] {
		if s.grams[gram(letters)] {
			for j := at[0]; j <= at[len(gram{})-1]; j++ {
				told[j] = true
			}
		}
	}
	words := words(text)
	for i, w := range words {
		for j := w.begin; j < w.end; j++ {
			words[i].hidden = words[i].hidden || told[j]
		}
	}
	return join(text, words)
}
