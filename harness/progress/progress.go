// Package progress tells a waiting person what is being done, how far it is,
// and how long it usually takes.
package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"rolecall/harness/wrap"
)

const (
	redrawEvery = 200 * time.Millisecond // on a terminal; quick enough to look alive
	repeatEvery = 8 * time.Second        // in a log; it must not be silent for more than 10 s
	widthUnsure = 80                     // columns, where the terminal does not say
)

// Display shows the running tasks of one command. On a terminal it is a single
// line that is redrawn; anywhere else it is plain lines that suit a log. Its
// methods and those of its tasks may be called from several goroutines. A nil
// *Display shows nothing.
type Display struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	running  []*Task       // in the order they began
	ended    chan struct{} // closed when the last running task ends
}

// New returns a Display that writes to w. Pass terminal only if w understands
// carriage return and "erase to end of line".
func New(w io.Writer, terminal bool) *Display {
	return &Display{w: w, terminal: terminal}
}

// Task is one thing being done. A nil *Task shows nothing.
type Task struct {
	display  *Display
	what     string
	usual    time.Duration
	began    time.Time
	repeated time.Time
	detail   string
	ended    bool
}

// Say prints a line of its own, above the tasks that are running.
func (d *Display) Say(line string) {
	if d != nil {
		d.Print(d.w, line)
	}
}

// Print prints a line to w, which may be the terminal that shows the tasks.
func (d *Display) Print(w io.Writer, line string) {
	if d == nil {
		fmt.Fprintln(w, line)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	fmt.Fprintln(w, line)
	if d.terminal {
		d.redraw(time.Now())
	}
}

// Begin shows that what has started. usual is how long it usually takes, or
// zero if that is not known. The caller must End the task.
func (d *Display) Begin(what string, usual time.Duration) *Task {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()

	now := time.Now()
	t := &Task{display: d, what: what, usual: usual, began: now, repeated: now}
	d.running = append(d.running, t)
	if len(d.running) == 1 {
		d.ended = make(chan struct{})
		go d.keepMoving(d.ended)
	}
	if d.terminal {
		d.redraw(now)
	} else {
		fmt.Fprintln(d.w, t.opening())
	}
	return t
}

// Update replaces the detail shown beside the task: how far it is. It may be
// called as often as is handy; what is drawn is limited elsewhere.
func (t *Task) Update(detail string) {
	if t == nil {
		return
	}
	t.display.mu.Lock()
	defer t.display.mu.Unlock()
	t.detail = detail
}

// End shows that the task has finished, or failed if err is not nil. Only the
// first call counts, so it may be deferred as well as called.
func (t *Task) End(err error) {
	t.finish(func(now time.Time) string { return t.closing(now, err) + "\n" })
}

// Drop ends the task without a word: how it went is reported elsewhere.
func (t *Task) Drop() {
	t.finish(func(time.Time) string { return "" })
}

// finish takes the task off the display and leaves its last words there.
func (t *Task) finish(words func(now time.Time) string) {
	if t == nil {
		return
	}
	d := t.display
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true

	now := time.Now()
	d.clear()
	fmt.Fprint(d.w, words(now))
	d.running = slices.DeleteFunc(d.running, func(o *Task) bool { return o == t })
	if len(d.running) == 0 {
		close(d.ended)
		return
	}
	if d.terminal {
		d.redraw(now)
	}
}

// keepMoving redraws or repeats until the last running task has ended.
func (d *Display) keepMoving(ended chan struct{}) {
	every := repeatEvery
	if d.terminal {
		every = redrawEvery
	} else {
		every /= 10 // tasks begin at any time; each has its own time
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case now := <-tick.C:
			d.mu.Lock()
			if d.terminal {
				d.redraw(now)
			} else {
				d.repeat(now)
			}
			d.mu.Unlock()
		}
	}
}

// clear empties the terminal's current line. The lock must be held.
func (d *Display) clear() {
	if d.terminal && len(d.running) > 0 {
		fmt.Fprint(d.w, "\r\x1b[K")
	}
}

// redraw replaces the terminal's current line. The lock must be held.
func (d *Display) redraw(now time.Time) {
	if len(d.running) == 0 {
		return
	}
	parts := make([]string, len(d.running))
	for i, t := range d.running {
		parts[i] = t.line(now)
	}
	fmt.Fprint(d.w, "\r", cut(strings.Join(parts, " · "), d.width()-1), "\x1b[K")
}

// repeat prints the tasks that have been silent for repeatEvery. The lock must
// be held.
func (d *Display) repeat(now time.Time) {
	for _, t := range d.running {
		if now.Sub(t.repeated) >= repeatEvery {
			t.repeated = now
			fmt.Fprintln(d.w, t.line(now))
		}
	}
}

// width is the terminal's width in columns.
func (d *Display) width() int {
	if width := wrap.Columns(d.w); width > 0 {
		return width
	}
	return widthUnsure
}

func (t *Task) opening() string {
	if t.usual > 0 {
		return fmt.Sprintf("%s … (usually %s)", t.what, round(t.usual))
	}
	return t.what + " …"
}

func (t *Task) line(now time.Time) string {
	var b strings.Builder
	b.WriteString(t.what)
	if t.detail != "" {
		b.WriteString(": " + t.detail)
	}
	b.WriteString(", " + round(now.Sub(t.began)))
	if t.usual > 0 {
		b.WriteString(" (usually " + round(t.usual) + ")")
	}
	return b.String()
}

func (t *Task) closing(now time.Time, err error) string {
	if errors.Is(err, context.Canceled) {
		return fmt.Sprintf("%s: stopped after %s", t.what, round(now.Sub(t.began)))
	}
	if err != nil {
		return fmt.Sprintf("%s: failed after %s", t.what, round(now.Sub(t.began)))
	}
	return fmt.Sprintf("%s: done in %s", t.what, round(now.Sub(t.began)))
}

// round writes d as a person would say it.
func round(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	s := int(d.Round(time.Second).Seconds())
	if s < 60 {
		return fmt.Sprintf("%d s", s)
	}
	return fmt.Sprintf("%d min %02d s", s/60, s%60)
}

// cut shortens s to at most n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n && n > 0 {
		return string(r[:n-1]) + "…"
	}
	return s
}
