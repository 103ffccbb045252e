package check

import (
	"fmt"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Request is one request as the API server's audit log records it. The names of
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
	UserAgent    string   `json:"userAgent,omitempty"` // as the caller calls itself
	AuditID      string   `json:"auditID"`
	Time         string   `json:"time"` // RFC 3339, when the request arrived

	Annotations map[string]string `json:"annotations,omitempty"` // that authentication left
}

// String is the request in one line: who, verb, resource, namespace, code, decision.
func (r Request) String() string {
	line := fmt.Sprintf("%s → %d", r.asked(), r.Code)
	if r.Decision != "" {
		line += " " + r.Decision
	}
	return Printable(line, 400)
}

// asked is the request without its answer.
func (r Request) asked() string {
	who, what := r.User, r.Resource
	if who == "" {
		who = "a caller that the server does not know"
	}
	if what == "" {
		what = r.URI
	}
	if r.Namespace != "" {
		what += " in " + r.Namespace
	}
	return Printable(fmt.Sprintf("%s: %s %s", who, r.Verb, what), 380)
}

// maxField bounds what a caller can write into a request: its URI, the names in
// it, and its own.
const maxField = 1 << 10

// RequestOf is the part of an audit event that verdicts rest on.
func RequestOf(event auditv1.Event) Request {
	r := Request{
		User:         event.User.Username,
		Groups:       event.User.Groups,
		Verb:         event.Verb,
		URI:          Printable(event.RequestURI, maxField),
		Decision:     event.Annotations["authorization.k8s.io/decision"],
		Reason:       event.Annotations["authorization.k8s.io/reason"],
		PodUID:       first(event.User.Extra["authentication.kubernetes.io/pod-uid"]),
		PodName:      first(event.User.Extra["authentication.kubernetes.io/pod-name"]),
		CredentialID: first(event.User.Extra["authentication.kubernetes.io/credential-id"]),
		UserAgent:    Printable(event.UserAgent, maxField),
		AuditID:      string(event.AuditID),
		Time:         event.RequestReceivedTimestamp.UTC().Format(time.RFC3339Nano),
	}
	for key, value := range event.Annotations {
		if strings.HasPrefix(key, "authentication.") {
			if r.Annotations == nil {
				r.Annotations = map[string]string{}
			}
			r.Annotations[key] = Printable(value, maxField)
		}
	}
	if ref := event.ObjectRef; ref != nil {
		r.Resource, r.Namespace, r.Name = ref.Resource, Printable(ref.Namespace, maxField), Printable(ref.Name, maxField)
		if ref.Subresource != "" {
			r.Resource += "/" + ref.Subresource
		}
		r.Resource = Printable(r.Resource, maxField)
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

// size is about what the request takes in memory.
func (r Request) size() int {
	size := 512 + len(r.URI) + len(r.Resource) + len(r.Namespace) + len(r.Name) + len(r.UserAgent)
	for key, value := range r.Annotations {
		size += len(key) + len(value)
	}
	return size
}
