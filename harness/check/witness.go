package check

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"rolecall/harness/next"
)

// ErrNoAuditLog is why a check that needs the audit log cannot run.
var ErrNoAuditLog = next.Errorf("use CLUSTER=kind or CLUSTER=embedded", "reading the audit log: this cluster has none, and nothing else proves a call")

// maxShown bounds the requests kept as evidence for one check.
const maxShown = 5

// Witness returns what the API server answered while do ran, which must not
// call Witness itself. Without an audit log it returns nothing: a check that
// rests on requests asks for NeedsAudit first.
func (e *Env) Witness(ctx context.Context, do func() error) (Requests, error) {
	if e.Audit == nil {
		return nil, do()
	}
	if err := e.Audit.Mark(ctx); err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	seen, err := e.Audit.Since(ctx)
	if failure, learners := AsFailure(err); learners {
		e.odd("a program made " + failure.Got)
	}
	return seen, err
}

// Observe is Witness of something that goes on after do has returned. It returns
// as soon as what the API server answered since do began is enough, or when
// within has passed since do returned. It needs the audit log.
func (e *Env) Observe(ctx context.Context, within time.Duration, do func() error, enough func(Requests) bool) (seen Requests, err error) {
	if err := e.NeedsAudit(); err != nil {
		return nil, err
	}
	if err := e.Audit.Mark(ctx); err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	_, err = Eventually(ctx, within, observeEvery, func(ctx context.Context) (bool, error) {
		now, err := e.Audit.Since(ctx)
		if err != nil {
			return false, err
		}
		seen = now
		return enough(seen), nil
	})
	if err == nil { // what enough saw besides, such as a program's end, comes after requests that are not in seen yet
		seen, err = e.Audit.Since(ctx)
	}
	if failure, learners := AsFailure(err); learners {
		e.odd("a program made " + failure.Got)
	}
	return seen, err
}

// observeEvery is how often Observe looks.
const observeEvery = 50 * time.Millisecond

// NeedsAudit is ErrNoAuditLog on a cluster that gives no audit log.
func (e *Env) NeedsAudit() error {
	if e.Audit == nil {
		return ErrNoAuditLog
	}
	return nil
}

// Requests are requests in the order of their answers.
type Requests []Request

// From keeps those that came over a connection from an address.
func (rs Requests) From(ip string) Requests {
	return rs.Where(func(r Request) bool { return r.SourceIP == ip })
}

// Lists keeps those that list a resource in a namespace.
func (rs Requests) Lists(resource, namespace string) Requests {
	return rs.Where(func(r Request) bool {
		return r.Verb == "list" && r.Resource == resource && r.Namespace == namespace
	})
}

// By keeps those that the API server took for a user's.
func (rs Requests) By(user string) Requests {
	return rs.Where(func(r Request) bool { return r.User == user })
}

// WithToken keeps those whose credential was that token.
func (rs Requests) WithToken(t *Token) Requests {
	return rs.Where(func(r Request) bool { return r.CredentialID != "" && r.CredentialID == t.CredentialID() })
}

// OfPod keeps those whose token is bound to the pod of that UID.
func (rs Requests) OfPod(uid types.UID) Requests {
	return rs.Where(func(r Request) bool { return r.PodUID == string(uid) })
}

// Answered keeps those with a status code.
func (rs Requests) Answered(code int32) Requests {
	return rs.Where(func(r Request) bool { return r.Code == code })
}

// WithCredential keeps those that brought a credential, accepted or not.
func (rs Requests) WithCredential() Requests {
	return rs.Where(func(r Request) bool { return r.User != "system:anonymous" || r.Code == 401 })
}

// Most is how many of them, at most, arrived within a span of that length.
func (rs Requests) Most(within time.Duration) (most int) {
	var arrived []time.Time
	for _, r := range rs {
		if at, err := time.Parse(time.RFC3339Nano, r.Time); err == nil {
			arrived = append(arrived, at)
		}
	}
	slices.SortFunc(arrived, time.Time.Compare) // they are in the order of their answers
	from := 0
	for i, at := range arrived {
		for at.Sub(arrived[from]) > within {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// AccessChanges keeps those that changed who may do what.
func (rs Requests) AccessChanges() Requests {
	return rs.Where(func(r Request) bool {
		switch r.Resource {
		case "roles", "rolebindings", "clusterroles", "clusterrolebindings":
			return r.Verb != "get" && r.Verb != "list" && r.Verb != "watch" && r.Code < 300
		}
		return false
	})
}

// Where keeps those of which keep returns true.
func (rs Requests) Where(keep func(Request) bool) Requests {
	var kept Requests
	for _, r := range rs {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// Evidence is the requests as evidence, the first few of them.
func (rs Requests) Evidence() []Evidence {
	var evidence []Evidence
	for _, r := range rs[:min(maxShown, len(rs))] {
		evidence = append(evidence, Evidence{Request: &r})
	}
	return evidence
}

// Summary is what was seen instead of what was wanted, in one line.
func (rs Requests) Summary() string {
	if len(rs) == 0 {
		return "no request from the pod at all"
	}
	var seen []string
	for _, r := range rs {
		if line := r.String(); len(seen) < 3 && (len(seen) == 0 || seen[len(seen)-1] != line) {
			seen = append(seen, line)
		}
	}
	return strings.Join(seen, "; ")
}
