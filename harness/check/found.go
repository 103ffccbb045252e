package check

import (
	"fmt"
	"slices"
)

// Setup is where a lab's Setup keeps what it made: every check of the lab may
// Need it.
const Setup = "setup"

// Begin starts the check of that id, or a lab's Setup. needs are the checks
// whose values it may use. The engine calls it.
func (e *Env) Begin(id string, needs []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.found == nil {
		e.found = map[string]any{}
	}
	e.seen = nil
	if id == Setup {
		e.started = nil
	}
	delete(e.found, id)
	e.running, e.needs = id, append([]string{Setup}, needs...)
}

// Keep hands a value to the checks that need this one.
func (e *Env) Keep(value any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found[e.running] = value
}

// Need returns what a check kept, or the lab's Setup. It panics where the
// running check does not declare that it needs id, or where id kept nothing of
// that type: the lab's author is told by the first run.
func Need[T any](e *Env, id string) T {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.needs, id) {
		panic(fmt.Sprintf("%s uses what %s found and does not need it", e.running, id))
	}
	value, ok := e.found[id].(T)
	if !ok {
		panic(fmt.Sprintf("%s needs a %T of %s, which kept a %T", e.running, value, id, e.found[id]))
	}
	return value
}
