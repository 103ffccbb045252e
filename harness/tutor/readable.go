package tutor

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Hidden stands for what is not told.
const Hidden = "[hidden]"

// readable is a text without what is not words, numbers and names as people
// write them: tokens, keys and digests in whatever encoding, whole or in pieces.
// It does not look for the forms of secrets, of which there is no end, but lets
// through what has none of a secret's randomness.
func readable(text string) string {
	words := words(text)
	for i := range words {
		words[i].hidden = !isPlain(words[i].text)
	}
	hidePieces(words)
	hideBetween(words)
	return join(text, words)
}

// manyPieces is how many pieces in a row are no sentence.
const manyPieces = 8

// hidePieces hides rows of words that say little each, which together may be a
// secret.
func hidePieces(words []word) {
	for begin := 0; begin < len(words); begin++ {
		end, pieces := begin, 0
		for ; end < len(words); end++ {
			piece := words[end].hidden || isPiece(words[end].text)
			if piece {
				pieces++
			} else if !isFiller(words[end].text) {
				break
			}
		}
		if pieces >= manyPieces {
			for i := begin; i < end; i++ {
				words[i].hidden = true
			}
		}
		begin = end
	}
}

// The pieces of a secret that look like words stand close to others that do not.
const (
	near      = 6 // words
	shortWord = 8 // letters and digits
)

// hideBetween hides a word between two hidden ones, or a few short words.
func hideBetween(words []word) {
	last, between, short := -1, 0, true
	for i, w := range words {
		if n := letters(w.text); !w.hidden && n > 0 {
			between, short = between+1, short && n <= shortWord
		}
		if !w.hidden {
			continue
		}
		if last >= 0 && (between <= 1 || short && between <= near) {
			for j := last; j < i; j++ {
				words[j].hidden = true
			}
		}
		last, between, short = i, 0, true
	}
}

// word is a part of a text between blanks, quotes, brackets and the like.
type word struct {
	text       string
	begin, end int
	hidden     bool
}

func words(text string) (all []word) {
	begin := -1
	for i, r := range text + " " {
		separates := unicode.IsSpace(r) || strings.ContainsRune("\"'`{}[]()<>,;|", r)
		switch {
		case separates && begin >= 0:
			all = append(all, word{text: text[begin:i], begin: begin, end: i})
			begin = -1
		case !separates && begin < 0:
			begin = i
		}
	}
	return all
}

// join is a text with its hidden words, and what is between two of them, as one
// Hidden.
func join(text string, words []word) string {
	var b strings.Builder
	last, hiding := 0, false
	for _, w := range words {
		if w.hidden && !hiding {
			b.WriteString(text[last:w.begin] + Hidden)
		}
		if !w.hidden {
			b.WriteString(text[last:w.end])
		}
		last, hiding = w.end, w.hidden
	}
	b.WriteString(text[last:])
	return b.String()
}

// fold makes one letter of those that look alike: wide ones, those with accents,
// and with signs between them that are not seen.
func fold(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Cf) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
}

// maxWord is how long a word may be, in bytes: a URI with names in it.
const maxWord = 160

// runs are the letters and digits of a word between other signs.
var runs = regexp.MustCompile(`[\pL\pN]+`)

// isPlain reports whether each part of a word is a word, a number or a usual
// mixture of both, and whether there are not many small ones, as in %65%79%4A.
func isPlain(word string) bool {
	all := utf8.RuneCountInString(norm.NFKD.String(word))
	word = fold(word)
	if letters := utf8.RuneCountInString(word); all-letters > shortest && 2*letters <= all+1 { // more is hung on them than any language does
		return false
	}
	if len(word) > maxWord || len(escape.FindAllString(word, 2)) > 1 || strings.IndexFunc(word, func(r rune) bool { return unicode.Is(unicode.So, r) }) >= 0 {
		return false
	}
	parts, small := runs.FindAllString(word, -1), 0
	for _, part := range parts {
		if !isUsual(part) {
			return false
		}
		if isShort(part) {
			small++
		}
	}
	return len(parts) < 6 || 2*small <= len(parts)+4
}

// escape is one character in some encoding; a sentence has a few, as %20.
var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\(x|u|[0-7]{2})`)

// isPiece reports whether a word may be a piece of anything: each of its parts is
// short, or has a digit.
func isPiece(word string) bool {
	parts := runs.FindAllString(fold(word), -1)
	for _, part := range parts {
		if !isShort(part) {
			return false
		}
	}
	return len(parts) > 0 && !isFiller(word)
}

// isFiller reports whether a word makes sentences of others.
func isFiller(word string) bool {
	parts := runs.FindAllString(word, -1)
	return len(parts) == 0 || len(parts) == 1 && fillers[strings.ToLower(parts[0])]
}

var fillers = func() map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(`a an and any are as at be but by can did do for get go had has have he her him his how i if in is it its lab let may
		me my no nor not of off on one or our out own pod run saw say see set she so the to too two up us use was we who why yes yet you`) {
		all[word] = true
	}
	return all
}()

// shortest is how many letters say nothing about where they come from.
const shortest = 3

func isShort(part string) bool {
	return len(part) <= shortest || strings.IndexFunc(part, unicode.IsDigit) >= 0
}

// letters is how many letters and digits a word has.
func letters(word string) (n int) {
	for _, part := range runs.FindAllString(fold(word), -1) {
		n += len(part)
	}
	return n
}

var (
	number  = regexp.MustCompile(`^\d{1,6}$`)
	counted = regexp.MustCompile(`^(v\d{1,2}(alpha|beta)\d{1,2}|[a-z]{1,7}\d{1,3}|\d{1,4}(xx|[smhdkMG]|ms|[KMG]i|st|nd|rd|th)|k8s)$`)
	// cased are words as they are written, also together: kubectl, Status, serviceAccountName, TLSConfig, podUID, RootCAs.
	cased = regexp.MustCompile(`^([A-Z]?[a-z]{1,24}|[a-z]{3,14}([A-Z][a-z]{2,13}){1,5}|([A-Z][a-z]{2,13}){2,6}|[A-Z]{3,6}[a-z]{3,14}|([a-z]{3,14}|[A-Z][a-z]{2,13})[A-Z]{2,3}s?|[A-Z]{2,5}s|[KMGT]iB)$`)
	// upper are words in capitals: TODO, NAMESPACE.
	upper = regexp.MustCompile(`^[A-Z]{1,14}$`)
	// unsaid is what nobody can pronounce, nor shout.
	unsaid    = regexp.MustCompile(`(?i)[bcdfghjklmnpqrstvwxz]{6}|q[^ul]|j[bcdfghjklmnpqrtvwxz]|[jqxz][jqxz]`)
	unshouted = regexp.MustCompile(`[BCDFGHJKLMNPQRSTVWXZ]{4}`)
	// known are words that break these rules.
	known = regexp.MustCompile(`^(HTTPS?|XML|HTML|JSON|JWT|RBAC|POSIX|SIG[A-Z]{3,4})$`)
)

// isUsual reports whether letters and digits in a row are a word or a number.
func isUsual(part string) bool {
	switch {
	case number.MatchString(part), counted.MatchString(part):
		return true
	case !isASCII(part):
		return strings.IndexFunc(part, func(r rune) bool { return r < unicode.MaxASCII && unicode.IsDigit(r) }) < 0 && len(part) < 60
	}
	return known.MatchString(part) || (len(part) <= shortest || !unsaid.MatchString(part)) && (cased.MatchString(part) || upper.MatchString(part) && !unshouted.MatchString(part))
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
