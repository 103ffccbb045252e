package check

import (
	"fmt"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Request is one request as the API server's audit log tells it. The names of
// the JSON fields follow the audit event's (audit.k8s.io/v1).
type Request struct {
	User         string   `json:"user"`
	Groups       []string `json:"groups,omitempty"`
	Verb         string   `json:"verb"`
	Resource     string   `json:"resource,omitempty"`
	Namespace    string   `json:"namespace,omitempty"`
	Name         string   `json:"name,omitempty"`
	URI          string   `json:"requestURI"`
	Code         int32    `json:"code"`
	StatusReason string   `json:"statusReason,omitempty"` // of the Status that was answered
	Decision     string   `json:"decision,omitempty"`     // authorization.k8s.io/decision
	Reason       string   `json:"reason,omitempty"`       // authorization.k8s.io/reason
	SourceIP     string   `json:"sourceIP"`               // the connection's, not a header's
	PodUID       string   `json:"podUID,omitempty"`       // of the pod that the token is bound to
	PodName      string   `json:"podName,omitempty"`
	CredentialID string   `json:"credentialID,omitempty"`
	AuditID      string   `json:"auditID"`
	Time         string   `json:"time"` // RFC 3339, when the request arrived
}

// String is the request in one line: who, verb, resource, namespace, code, decision.
func (r Request) String() string {
	what := r.Resource
	if what == "" {
		what = r.URI
	}
	if r.Namespace != "" {
		what += " in " + r.Namespace
	}
	line := fmt.Sprintf("%s: %s %s → %d", r.User, r.Verb, what, r.Code)
	if r.Decision != "" {
		line += " " + r.Decision
	}
	return Printable(line, 400)
}

// RequestOf is the part of an audit event that verdicts rest on.
func RequestOf(event auditv1.Event) Request {
	r := Request{
		User:         event.User.Username,
		Groups:       event.User.Groups,
		Verb:         event.Verb,
		URI:          event.RequestURI,
		Decision:     event.Annotations["authorization.k8s.io/decision"],
		Reason:       event.Annotations["authorization.k8s.io/reason"],
		PodUID:       first(event.User.Extra["authentication.kubernetes.io/pod-uid"]),
		PodName:      first(event.User.Extra["authentication.kubernetes.io/pod-name"]),
		CredentialID: first(event.User.Extra["authentication.kubernetes.io/credential-id"]),
		AuditID:      string(event.AuditID),
		Time:         event.RequestReceivedTimestamp.UTC().Format(time.RFC3339Nano),
	}
	if ref := event.ObjectRef; ref != nil {
		r.Resource, r.Namespace, r.Name = ref.Resource, ref.Namespace, ref.Name
		if ref.Subresource != "" {
			r.Resource += "/" + ref.Subresource
		}
	}
	if event.ResponseStatus != nil {
		r.Code, r.StatusReason = event.ResponseStatus.Code, string(event.ResponseStatus.Reason)
	}
	if n := len(event.SourceIPs); n > 0 { // those before the last come from headers that a client may set
		r.SourceIP = event.SourceIPs[n-1]
	}
	return r
}

func first[T ~[]string](values T) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
