package watch

import (
	"context"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rolecall/harness"
	"rolecall/harness/wrap"
)

// Screen watches in a terminal until the learner quits or ctx is over.
func (l Labs) Screen(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chosen := make(chan int, 1)
	program := tea.NewProgram(&screen{Labs: l, at: l.First, choose: func(i int) { chosen <- i }},
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		l.watchChosen(ctx, chosen, program.Send)
	}()
	_, err := program.Run()
	cancel()
	<-watched
	if ctx.Err() != nil && err != nil {
		return nil
	}
	return err
}

// watchChosen watches the lab that was chosen last.
func (l Labs) watchChosen(ctx context.Context, chosen <-chan int, send func(tea.Msg)) {
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return
		case i := <-chosen:
			stop()
			ctx, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			stop = func() { cancel(); <-ended }
			go func() {
				defer close(ended)
				l.Watch(ctx, l.Labs[i], sends{i, send}, func() { send(began{lab: i}) }, func(v Verdict) { send(judged{i, v}) })
			}()
		}
	}
}

// began says that a lab is being checked, and which check.
type began struct {
	lab   int
	check string
}

// judged says how it went.
type judged struct {
	lab int
	Verdict
}

// sends is an observer that tells a program which check runs.
type sends struct {
	lab  int
	send func(tea.Msg)
}

func (s sends) LabBegins(harness.Lab)         {}
func (s sends) CheckBegins(c harness.Check)   { s.send(began{s.lab, c.ID}) }
func (s sends) CheckEnds(harness.CheckResult) {}
func (s sends) LabEnds(harness.LabResult)     {}

// screen is what a learner sees.
type screen struct {
	Labs
	choose func(int) // the lab to watch

	at       int     // index of the lab
	verdict  Verdict // the last one of it
	checking string  // what is being checked, or ""
	evidence bool    // is shown, too
	pane     string  // a text that is shown instead, or ""
	sure     func()  // what a question is about; nil if there is none
	top      int     // the first line that is seen
	size     tea.WindowSizeMsg
}

// Init begins with the first lab.
func (s *screen) Init() tea.Cmd { return func() tea.Msg { s.choose(s.at); return nil } }

// Update takes in what happened.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.size = msg
	case began:
		if msg.lab == s.at {
			s.checking = "checking"
			if msg.check != "" {
				s.checking += " " + msg.check
			}
		}
	case judged:
		if msg.lab == s.at {
			s.verdict, s.checking, s.pane, s.top = msg.Verdict, "", "", 0
		}
	case tea.KeyPressMsg:
		return s, s.press(msg.String())
	}
	return s, nil
}

// press does what a key is for.
func (s *screen) press(key string) tea.Cmd {
	if sure := s.sure; sure != nil {
		s.sure, s.pane = nil, ""
		if key == "y" {
			sure()
		}
		return nil
	}
	switch key {
	case "q", "ctrl+c", "ctrl+d":
		return tea.Quit
	case "n":
		return s.goTo(s.at + 1)
	case "p":
		return s.goTo(s.at - 1)
	case "e":
		s.evidence, s.pane, s.top = !s.evidence, "", 0
	case "down", "j", "enter":
		s.top++
	case "up", "k":
		s.top--
	case "pgdown", "space":
		s.top += s.size.Height / 2
	case "pgup":
		s.top -= s.size.Height / 2
	case "esc":
		s.pane, s.top = "", 0
	default:
		s.show(key)
	}
	return nil
}

// show shows the text that a key stands for, or takes it away again.
func (s *screen) show(key string) {
	for _, a := range s.Actions {
		if a.Key != key {
			continue
		}
		s.top = 0
		act := func() {
			text, err := a.Do(s.Labs.Labs[s.at])
			if err != nil {
				text = err.Error()
			}
			s.pane = text
		}
		if a.Question == nil {
			act()
			return
		}
		if question := a.Question(s.Labs.Labs[s.at]); question != "" {
			s.pane, s.sure = question+" [y/n]", act
		}
	}
}

func (s *screen) goTo(i int) tea.Cmd {
	if i < 0 || i >= len(s.Labs.Labs) {
		return nil
	}
	s.at, s.verdict, s.checking, s.pane, s.top = i, Verdict{}, "", "", 0
	return func() tea.Msg { s.choose(i); return nil }
}

// View is the whole screen: the lab, as much of its text as there is room for,
// and what can be done.
func (s *screen) View() tea.View {
	view := tea.NewView(s.text())
	view.AltScreen, view.WindowTitle = true, s.Labs.Labs[s.at].Heading()
	return view
}

func (s *screen) text() string {
	width, height := max(s.size.Width, 20), max(s.size.Height, 6)
	body := strings.Split(strings.Trim(wrap.Text(s.body(), width), "\n"), "\n")
	footer := strings.Split(strings.ReplaceAll(ansi.Wrap(s.footer(), width, ""), unbreakable, " "), "\n")
	room := max(height-len(footer)-1, 1)
	s.top = max(0, min(s.top, len(body)-room))
	seen := body[s.top:min(len(body), s.top+room)]
	if below := len(body) - s.top - len(seen); below > 0 {
		lines := "lines"
		if below == 1 {
			lines = "line"
		}
		footer[0] += fmt.Sprintf("  (↓ %d more %s)", below, lines)
	}
	lines := append([]string{}, seen...)
	for len(lines) < room {
		lines = append(lines, "")
	}
	return strings.Join(append(append(lines, ""), footer...), "\n")
}

// body is what the learner reads.
func (s *screen) body() string {
	switch {
	case s.pane != "":
		return s.pane
	case s.verdict == (Verdict{}):
		return s.Labs.Labs[s.at].Heading()
	}
	return s.Report(s.Labs.Labs[s.at], s.verdict, s.evidence)
}

// unbreakable is a space within what stays on one line.
const unbreakable = "\u00a0"

// footer is what goes on, and the keys.
func (s *screen) footer() string {
	status := "waiting for a change of " + s.Watched(s.Labs.Labs[s.at])
	if s.checking != "" {
		status = s.checking + " …"
	}
	keys := []string{"n next", "p previous", "e evidence"}
	for _, a := range s.Actions {
		keys = append(keys, a.Key+" "+a.Name)
	}
	keys = append(keys, "q quit")
	for i, key := range keys {
		keys[i] = strings.ReplaceAll(key, " ", unbreakable)
	}
	return status + "\n" + strings.Join(keys, "  ")
}
