package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	nodes "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness/next"
)

// Refusal is why the API server does not take an object of the learner's, in
// its own words: what the object says is not allowed.
type Refusal struct {
	Message   string
	Admission bool     // it understood the object, and its admission control turned it down
	Unread    bool     // it did not understand it
	Position  Position // of the field that it names, as far as it is known
}

func (r *Refusal) Error() string { return "the API server refused it: " + r.Message }

// AsRefusal returns the API server's refusal in an error's chain, if any.
func AsRefusal(err error) (*Refusal, bool) {
	var refusal *Refusal
	ok := errors.As(err, &refusal)
	return refusal, ok
}

// DryRun asks the API server what it would make of an object: unknown fields
// are refused, defaults are filled in, nothing is stored. The error may be a
// *Refusal. That there is an object of that name is one of ours where a lab
// would create it.
func (e *Env) DryRun(ctx context.Context, object *unstructured.Unstructured) error {
	_, err := e.create(ctx, object, metav1.DryRunAll)
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err) && !slices.Contains(e.Kinds, object.GroupVersionKind()):
		return nil // it understood the object, which is all that was asked
	}
	return e.refused(ctx, object, err, metav1.DryRunAll)
}

// Create stores an object of the learner's. The error may be a *Refusal.
func (e *Env) Create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if kind := object.GroupVersionKind(); !slices.Contains(e.Kinds, kind) || e.Creates != nil && !slices.Contains(e.Creates, kind) {
		return nil, fmt.Errorf("creating a %s: the lab does not say that it creates that kind", object.GetKind())
	}
	if mapping, err := e.mapping(ctx, object.GroupVersionKind()); err == nil && e.Shared && !namespaced(mapping) {
		return nil, ErrOwner
	}
	created, err := e.create(ctx, object)
	if err != nil {
		return nil, e.refused(ctx, object, err)
	}
	return created, nil
}

func (e *Env) create(ctx context.Context, object *unstructured.Unstructured, dryRun ...string) (*unstructured.Unstructured, error) {
	mapping, err := e.mapping(ctx, object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	options := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	created, err := e.resource(mapping, object.GetNamespace()).Create(ctx, object, options)
	if err == nil && len(dryRun) == 0 {
		e.note(&e.given, mapping.Resource.Resource, object) // by its name in the request
	}
	return created, err
}

// refused tells whose an error of create is: a *Refusal where the object is to
// blame, an error of ours otherwise.
func (e *Env) refused(ctx context.Context, object *unstructured.Unstructured, err error, dryRun ...string) error {
	what := object.GetKind() + " " + Printable(nameOf(object), 100)
	ours := next.Errorf("make status", "creating %s: %w", what, err)
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return ours
	}
	status := answer.Status()
	refusal := &Refusal{Message: words(status), Admission: status.Reason == metav1.StatusReasonForbidden, Unread: status.Reason == metav1.StatusReasonBadRequest, Position: e.writtenAt(object).blamed(status)}
	switch {
	case apierrors.IsAlreadyExists(err):
		return next.Errorf(deletion(object.GetKind(), object.GetName(), object.GetNamespace()),
			"creating %s: there is one of that name already, which no lab created", what)
	case apierrors.IsNotFound(err), apierrors.IsUnauthorized(err), apierrors.IsTooManyRequests(err), apierrors.IsTimeout(err),
		apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ours
	case e.Shared && !aboutObject(status):
		return next.Errorf("ask whoever runs the cluster", "creating %s: this cluster's own rules do not allow it: %w", what, err)
	case status.Code < http.StatusInternalServerError:
		return refusal
	}
	// A control sample: where the server stores a pod of ours and breaks again over this object, the object did it.
	if _, err := e.StartCaller(ctx, e.Namespaces.Home(), "default", Genuine); err != nil {
		return ours
	}
	_, again := e.create(ctx, object, dryRun...)
	if errors.As(again, &answer) && answer.Status().Code >= http.StatusInternalServerError {
		return refusal
	}
	return ours
}

// aboutObject reports whether an API server that somebody else runs refused an
// object for what Kubernetes itself allows, rather than for a policy of theirs
// or for want of the caller's own rights.
func aboutObject(status metav1.Status) bool {
	switch status.Reason {
	case metav1.StatusReasonBadRequest, metav1.StatusReasonRequestEntityTooLarge:
		return true // it could not be read
	case metav1.StatusReasonInvalid: // a policy names no field
		return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool { return c.Field != "" })
	}
	return strings.Contains(status.Message, "violates PodSecurity") // nothing but these words marks it
}

// plainName is what can be pasted into a shell as it is.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:_-]*$`)

// deletion is the command that deletes one object, or all that nobody needs
// where its name is no good for a command.
func deletion(kind, name, namespace string) string {
	if !plainName.MatchString(name) {
		return "make reset"
	}
	command := "delete " + strings.ToLower(kind) + " " + name
	if namespace != "" {
		command += " -n " + namespace
	}
	return fmt.Sprintf("make kubectl ARGS=%q", command)
}

var (
	unknown    = regexp.MustCompile(`unknown field "([^"]+)"`)
	unfit      = regexp.MustCompile(`json: cannot unmarshal (\S+) into Go struct field \S+?\.([^. ]\S*) of type (\S+)`)
	insecure   = regexp.MustCompile(`(?:container "([^"]+)" must not (?:set|include .* in) ([A-Za-z.]+)|\((host[A-Za-z]+)=true|volume "([^"]+)")`)
	readerWord = regexp.MustCompile(`^.* in version "[^"]*" cannot be handled as a [^:]*: `)
)

// blamed is where the field is that an API server's refusal names: first where
// the object could not be read, or else as the cause of the refusal.
func (w written) blamed(status metav1.Status) Position {
	if named := unknown.FindStringSubmatch(status.Message); named != nil {
		if found, whole := w.top.down(named[1], anyNode); whole {
			return found.keyPosition().in(w.file)
		}
	}
	if named := unfit.FindStringSubmatch(status.Message); named != nil {
		path := named[2]
		found, _ := w.top.down(path, func(value *nodes.Node) bool { return jsonType(value) == named[1] })
		return found.position().in(w.file)
	}
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Field != "" {
				found, _ := w.top.down(cause.Field, anyNode)
				return found.position().in(w.file)
			}
		}
	}
	for _, path := range insecurePaths(status.Message) {
		if found, whole := w.top.down(path, anyNode); whole {
			return found.position().in(w.file)
		}
	}
	return Position{File: w.file}
}

// insecurePaths are where the field may be that Pod Security admission names in
// words of its own.
func insecurePaths(message string) []string {
	named := insecure.FindStringSubmatch(message)
	switch {
	case named == nil:
		return nil
	case named[1] != "":
		return []string{"spec.containers[" + named[1] + "]." + named[2], "spec.initContainers[" + named[1] + "]." + named[2]}
	case named[3] != "":
		return []string{"spec." + named[3]}
	}
	return []string{"spec.volumes[" + named[4] + "]"}
}

// jsonType is a value's type in the words of Go's decoder.
func jsonType(value *nodes.Node) string {
	switch value.Kind {
	case nodes.MappingNode:
		return "object"
	case nodes.SequenceNode:
		return "array"
	}
	switch value.ShortTag() {
	case "!!int", "!!float":
		return "number"
	case "!!bool":
		return "bool"
	}
	return "string"
}

// words are an API server's words on an object, without what only a programmer
// can read.
func words(status metav1.Status) string {
	message := readerWord.ReplaceAllString(status.Message, "")
	message = unfit.ReplaceAllStringFunc(message, func(match string) string {
		part := unfit.FindStringSubmatch(match)
		return fmt.Sprintf("%s is %s where %s belongs", part[2], given(part[1]), wanted(part[3]))
	})
	return Printable(strings.TrimPrefix(message, "admission webhook "), 600)
}

func given(json string) string {
	switch json {
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "bool":
		return "true or false"
	}
	return "a " + json
}

func wanted(goType string) string {
	of, isList := strings.CutPrefix(goType, "[]")
	switch {
	case isList && of == "string":
		return "a list of strings"
	case isList:
		return "a list"
	case goType == "string":
		return "a string"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int"):
		return "a whole number"
	}
	return "a map"
}
