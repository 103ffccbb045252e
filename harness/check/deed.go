package check

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

const (
	// maxDeeds bounds the deeds that are kept, more than a lab can make of a
	// learner's objects and of its own.
	maxDeeds = 100
	// remembers bounds the wait for the log to show the last of them.
	remembers = 2 * time.Second
)

// Deed is something that rolecall itself created, changed or deleted in the
// cluster, as the API server's audit log tells it. It decides nothing; it tells
// what happened between the requests that do.
type Deed struct {
	Request
	Learners bool `json:"learners,omitempty"` // it stored an object of the learner's
}

// Deeds are those since the last call, in the order of the log. Questions to the
// API server, trial runs and clean-ups are none. What the log does not show in
// time is left out, for no verdict rests on it.
func (e *Env) Deeds(ctx context.Context) []Deed {
	if e.Audit == nil {
		return nil
	}
	done := e.Audit.takeDeeds(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	var deeds []Deed
	for _, r := range done {
		on := target{r.Resource, r.Namespace, r.Name}
		if r.Verb == "create" || !e.deleted[on] {
			deeds = append(deeds, Deed{r, r.Verb == "create" && e.given[on]})
		}
	}
	e.given, e.deleted = nil, nil
	return deeds
}

// Attend waits, the first time, until the audit log is being followed, so that no
// deed is missed from there on. It waits no longer than deeds are worth. The engine
// calls it.
func (e *Env) Attend(ctx context.Context) {
	if e.Audit == nil || e.attended {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, remembers)
	defer cancel()
	e.attended = e.Audit.barrier(ctx, false) == nil
}

func (a *Audit) takeDeeds(ctx context.Context) Requests {
	ctx, cancel := context.WithTimeout(ctx, remembers)
	defer cancel()
	_ = a.barrier(ctx, false) // what is not shown by then is left out
	a.mu.Lock()
	defer a.mu.Unlock()
	deeds := a.deeds
	a.deeds = nil
	return deeds
}

// isDeed reports whether this program changed something by a request. A learner
// who works with kubectl has the same user name.
func (a *Audit) isDeed(event auditv1.Event, r Request) bool {
	return event.User.Username == a.own && event.UserAgent == a.agent &&
		slices.Contains([]string{"create", "update", "patch", "delete"}, r.Verb) && r.Code < 300 &&
		(!strings.Contains(r.Resource, "/") || strings.HasSuffix(r.Resource, "/approval")) && !strings.HasSuffix(r.Resource, "reviews") && !strings.Contains(r.URI, "dryRun=")
}

// target is an object as a request names it.
type target struct{ resource, namespace, name string }

// note adds an object to those that were stored or swept.
func (e *Env) note(to *map[target]bool, resource string, object *unstructured.Unstructured) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if *to == nil {
		*to = map[target]bool{}
	}
	(*to)[target{resource, object.GetNamespace(), object.GetName()}] = true
}
