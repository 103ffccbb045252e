package report

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Bounds of a timeline.
const (
	maxEvidence = 40 // pieces of a check's
	maxCalls    = 60 // requests of pods
	maxDeeds    = 40 // of rolecall's own
)

// timelineView is what the API server saw while a lab ran, in the order in which
// the requests arrived: those that checks rest on, and what rolecall itself did
// between them.
type timelineView struct {
	Moments []momentView
	Left    int // requests that are left out
	Calls   int // of pods
}

// momentView is one request.
type momentView struct {
	Number   int
	ID       string
	Offset   string // since the first request
	Ours     bool   // rolecall's own
	Learners bool   // rolecall stored an object of the learner's
	Asked    askedView
	User     string
	With     string // the credential
	Code     int32
	Status   string // the code's meaning
	Class    string // of the answer: allowed, refused, unknown, other
	Decision string // of the authorizer, with its reason
	Decides  []refView

	checks  []int // that rest on it
	arrived time.Time
	audit   string
}

type askedView struct{ Verb, Resource, Name, Namespace, URI string }

// timelineOf is a lab's timeline. A request that several checks rest on is in it
// once.
func timelineOf(lab harness.LabResult, id string) (t timelineView) {
	at := map[string]int{} // by audit id
	for _, deed := range first(lab.Deeds, maxDeeds) {
		m := moment(deed.Request)
		m.Ours, m.Learners = true, deed.Learners
		at[deed.AuditID] = len(t.Moments)
		t.Moments = append(t.Moments, m)
	}
	t.Left = len(lab.Deeds) - len(t.Moments)
	for i, c := range lab.Checks {
		for _, e := range first(c.Evidence, maxEvidence) {
			if e.Request == nil {
				continue
			}
			n, known := at[e.Request.AuditID]
			if !known || e.Request.AuditID == "" {
				if t.Calls == maxCalls {
					t.Left++
					continue
				}
				n = len(t.Moments)
				at[e.Request.AuditID] = n
				t.Moments = append(t.Moments, moment(*e.Request))
				t.Calls++
			}
			if !slices.Contains(t.Moments[n].checks, i) {
				t.Moments[n].checks = append(t.Moments[n].checks, i)
			}
		}
	}
	slices.SortStableFunc(t.Moments, func(a, b momentView) int {
		return cmp.Or(a.arrived.Compare(b.arrived), cmp.Compare(a.audit, b.audit))
	})
	for i := range t.Moments {
		m := &t.Moments[i]
		m.Number, m.ID = i+1, fmt.Sprintf("%s-request-%d", id, i+1)
		if !m.arrived.IsZero() {
			m.Offset = fmt.Sprintf("%.3f s", m.arrived.Sub(t.Moments[0].arrived).Seconds())
		}
		for _, n := range m.checks {
			m.Decides = append(m.Decides, refView{checkAnchor(id, n), OneLine(lab.Checks[n].ID, 100), lab.Checks[n].Outcome})
		}
	}
	return t
}

// decided are the requests that the check of an index rests on.
func (t timelineView) decided(check int) (refs []refView) {
	for _, m := range t.Moments {
		if slices.Contains(m.checks, check) {
			refs = append(refs, refView{Anchor: m.ID, Text: fmt.Sprint(m.Number)})
		}
	}
	return refs
}

// moment is a request for people. Its times and ids come from the API server,
// all else may come from a learner.
func moment(r check.Request) momentView {
	m := momentView{
		User: OneLine(r.User, 200), With: credential(r), Code: r.Code, Status: http.StatusText(int(r.Code)), Decision: decision(r), audit: r.AuditID,
		Asked: askedView{OneLine(r.Verb, 40), OneLine(r.Resource, 100), OneLine(r.Name, 120), OneLine(r.Namespace, 100), OneLine(r.URI, 200)},
	}
	switch {
	case r.Code < 400 && r.Code >= 200:
		m.Class = "allowed"
	case r.Code == http.StatusForbidden:
		m.Class = "refused"
	case r.Code == http.StatusUnauthorized:
		m.Class = "unknown"
	default:
		m.Class = "other"
	}
	m.arrived, _ = time.Parse(time.RFC3339Nano, r.Time) // a request without a time comes first
	return m
}

// credential is what a caller showed, as far as the API server tells.
func credential(r check.Request) string {
	switch {
	case r.Code == http.StatusUnauthorized:
		return "a credential that the API server does not accept"
	case r.PodName != "":
		return "the token of pod " + OneLine(r.PodName, 100)
	case r.User == "system:anonymous":
		return "no credential"
	}
	return cmp.Or(OneLine(r.CredentialID, 100), "a credential that is bound to no pod")
}

// decision is the authorizer's, and why.
func decision(r check.Request) string {
	reason := OneLine(r.Reason, 400)
	switch r.Decision {
	case "allow":
		return cmp.Or(reason, "allowed")
	case "forbid":
		return "forbidden: " + cmp.Or(reason, "no rule allows it")
	}
	if r.Code == http.StatusUnauthorized {
		return "not asked, because the caller is not known"
	}
	return OneLine(r.Decision, 40)
}
