package check

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes a learner's text safe to show: control characters and
// broken UTF-8 become visible, and what is longer than limit bytes is cut. A
// carriage return that ends a line is a part of the line's end.
func Printable(text string, limit int) string {
	cut := len(text) > limit
	if cut {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit]
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\r' && (i+1 == len(text) || text[i+1] == '\n'):
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r == utf8.RuneError:
			b.WriteString("\\ufffd")
		default:
			fmt.Fprintf(&b, "\\x%02x", r)
		}
	}
	if cut {
		b.WriteString(" … (cut)")
	}
	return b.String()
}

// quote is Printable for one short value inside a sentence.
func quote(text string) string {
	return fmt.Sprintf("%q", Printable(text, 120))
}
