// Package next attaches to an error what its reader should do about it. The
// error's own text says what went wrong and nothing else; whoever shows it
// words the rest.
package next

import (
	"errors"
	"fmt"
)

// Error is an error with the next thing to do: a command as it is typed
// ("make reset"), or a short instruction ("free some disk space").
type Error struct {
	Err  error
	Next string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its advice.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is fmt.Errorf for an error whose reader should do next.
func Errorf(next, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Next: next}
}

// Of returns what to do about err, or "" if nothing in its chain says. The
// outermost advice wins: it knows most about what the reader was doing.
func Of(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Next
	}
	return ""
}
