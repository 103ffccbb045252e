package check

import (
	"context"
	"strings"

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
	return rs.where(func(r Request) bool { return r.SourceIP == ip })
}

// Lists keeps those that list a resource in a namespace.
func (rs Requests) Lists(resource, namespace string) Requests {
	return rs.where(func(r Request) bool {
		return r.Verb == "list" && r.Resource == resource && r.Namespace == namespace
	})
}

// By keeps those that the API server took for a user's.
func (rs Requests) By(user string) Requests {
	return rs.where(func(r Request) bool { return r.User == user })
}

// Answered keeps those with a status code.
func (rs Requests) Answered(code int32) Requests {
	return rs.where(func(r Request) bool { return r.Code == code })
}

// WithCredential keeps those that brought a credential, accepted or not.
func (rs Requests) WithCredential() Requests {
	return rs.where(func(r Request) bool { return r.User != "system:anonymous" || r.Code == 401 })
}

// AccessChanges keeps those that changed who may do what.
func (rs Requests) AccessChanges() Requests {
	return rs.where(func(r Request) bool {
		switch r.Resource {
		case "roles", "rolebindings", "clusterroles", "clusterrolebindings":
			return r.Verb != "get" && r.Verb != "list" && r.Verb != "watch" && r.Code < 300
		}
		return false
	})
}

func (rs Requests) where(keep func(Request) bool) Requests {
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
