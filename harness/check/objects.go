package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxObjects is how many objects a learner's manifest may hold.
const maxObjects = 50

// Wanted is what a manifest of the learner's must hold.
type Wanted struct {
	File       string
	Want       string                    // for a message: "exactly one object, a Pod, in the namespace default"
	One        bool                      // exactly one object
	Kinds      []schema.GroupVersionKind // that it may hold
	Namespaces map[string]string         // that objects may be in: as a learner writes them, and as they are called here
	Hint       string                    // for an object of another kind
}

// Objects reads a manifest, YAML or JSON, and returns its objects as they may
// be created: in a namespace of this cluster, the learner's own where they name
// none, and marked as made by this run. A List is the objects in it. What only
// a server sets is dropped. What is wrong is a *Failure.
func (e *Env) Objects(ctx context.Context, w Wanted) ([]*unstructured.Unstructured, error) {
	objects, err := e.manifest(w.File)
	if err != nil {
		return nil, err
	}
	if w.One && len(objects) != 1 {
		return nil, w.fail(e.Position(objects[1], ""), fmt.Sprintf("%d objects (%s)", len(objects), kinds(objects)), "Keep the one that is asked for; a line --- starts another object.")
	}
	seen := map[string]bool{}
	for _, object := range objects {
		if err := e.prepare(ctx, w, object); err != nil {
			return nil, err
		}
		id := object.GetKind() + " " + object.GetName()
		if in := object.GetNamespace(); in != "" {
			id += " in " + in
		}
		if object.GetName() != "" && seen[id] {
			return nil, w.fail(e.Position(object, "metadata.name"), "two objects "+id, "The second would replace the first: give it another name.")
		}
		seen[id] = true
	}
	return objects, nil
}

func (w Wanted) fail(at Position, got, hint string) error {
	return &Failure{Want: w.Want, Got: Printable(got, 300), Hint: hint, Position: at}
}

// prepare makes an object of the learner's ready to be created.
func (e *Env) prepare(ctx context.Context, w Wanted, object *unstructured.Unstructured) error {
	fail := func(field, got, hint string) error { return w.fail(e.Position(object, field), got, hint) }
	kind := object.GroupVersionKind()
	if !slices.Contains(w.Kinds, kind) {
		return fail(w.wrongField(kind), object.GetAPIVersion()+" "+object.GetKind(), w.kindHint(kind))
	}
	metadata, isMap := object.Object["metadata"].(map[string]any)
	if !isMap && object.Object["metadata"] != nil {
		return fail("metadata", "metadata that is not a map", "Write name: and the object's name on a line below metadata:, indented by two spaces.")
	}
	if metadata == nil {
		metadata = map[string]any{}
		object.Object["metadata"] = metadata
	}
	for _, field := range []string{"name", "generateName", "namespace"} {
		if value := metadata[field]; !empty(value) {
			if _, isText := value.(string); !isText {
				return fail("metadata."+field, fmt.Sprintf("metadata.%s: %v, which is not text", field, value), "Put it in quotes.")
			}
		}
	}
	if nameOf(object) == "" {
		if name, atTop := object.Object["name"]; atTop {
			return fail("name", fmt.Sprintf("the field name (%v) at the top of a %s", name, kind.Kind), "Indent name under metadata.")
		}
		return fail("metadata.name", "a "+kind.Kind+" without metadata.name", "Give it a name under metadata.")
	}
	for _, field := range []string{"finalizers", "ownerReferences"} {
		if !empty(metadata[field]) {
			return fail("metadata."+field, "a "+kind.Kind+" with metadata."+field, "Leave metadata."+field+" out: with it the object could outlive the lab, or go before its time.")
		}
		delete(metadata, field)
	}
	e.dropServerFields(w.File, object, metadata)

	mapping, err := e.mapping(ctx, kind)
	if err != nil {
		return err
	}
	if namespaced(mapping) {
		namespace, allowed := w.Namespaces[object.GetNamespace()]
		switch {
		case object.GetNamespace() == "":
			namespace = e.Namespaces.Home()
		case !allowed:
			return fail("metadata.namespace", "a "+kind.Kind+" in the namespace "+object.GetNamespace(), "Leave metadata.namespace out, or write "+strings.Join(slices.Sorted(maps.Keys(w.Namespaces)), " or ")+".")
		}
		metadata["namespace"] = namespace
	}
	e.mark(metadata)
	return nil
}

// wrongField is the field that makes an object one of another kind.
func (w Wanted) wrongField(found schema.GroupVersionKind) string {
	if slices.ContainsFunc(w.Kinds, func(kind schema.GroupVersionKind) bool { return kind.Kind == found.Kind }) {
		return "apiVersion"
	}
	return "kind"
}

// kindHint is what to do about an object of another kind.
func (w Wanted) kindHint(found schema.GroupVersionKind) string {
	for _, kind := range w.Kinds {
		switch {
		case kind.Kind == found.Kind:
			return fmt.Sprintf("Write apiVersion: %s for a %s.", kind.GroupVersion(), kind.Kind)
		case strings.EqualFold(kind.Kind, found.Kind):
			return fmt.Sprintf("Capitals count: write kind: %s.", kind.Kind)
		}
	}
	return w.Hint
}

// serverFields are the fields of metadata that only a server sets.
var serverFields = []string{"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"}

// dropServerFields drops what only a server sets, and keeps as evidence that it
// did: an export by kubectl get is a legitimate answer.
func (e *Env) dropServerFields(file string, object *unstructured.Unstructured, metadata map[string]any) {
	var dropped []string
	drop := func(fields map[string]any, name string) {
		if !empty(fields[name]) {
			dropped = append(dropped, name)
		}
		delete(fields, name)
	}
	for _, name := range serverFields {
		drop(metadata, name)
	}
	drop(object.Object, "status")
	if len(dropped) > 0 {
		e.Saw(Evidence{Object: Printable(fmt.Sprintf("%s: dropped from %s %s, because only a server sets it: %s", file, object.GetKind(), nameOf(object), strings.Join(dropped, ", ")), 500)})
	}
}

// nameOf is an object's name as its author gave it.
func nameOf(object *unstructured.Unstructured) string {
	return cmp.Or(object.GetName(), object.GetGenerateName())
}

// empty reports whether a field's value says nothing.
func empty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return false
}

// mark labels an object as made by this run. Labels that are not a map stay as
// they are: the API server refuses them.
func (e *Env) mark(metadata map[string]any) {
	if metadata["labels"] == nil {
		metadata["labels"] = map[string]any{}
	}
	if labels, isMap := metadata["labels"].(map[string]any); isMap {
		labels[RunLabel] = e.Run
	}
}

// manifest reads a file of Kubernetes objects.
func (e *Env) manifest(file string) ([]*unstructured.Unstructured, error) {
	const want = "Kubernetes objects"
	documents, err := e.documents(file)
	if err != nil {
		if failure, learners := AsFailure(err); learners && strings.HasPrefix(failure.Want, "YAML") {
			failure.Want = want + " in " + file
		}
		return nil, err
	}
	var all []document
	for _, d := range documents {
		var problem *problem
		if all, problem = flatten(all, d); problem != nil {
			return nil, problem.failure(want, file)
		}
	}
	if len(all) == 0 {
		none := &problem{got: "no object, only comments or blank lines", hint: "Remove the # in front of the object's lines, or write one."}
		return nil, none.failure(want, file)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.written == nil {
		e.written = map[*unstructured.Unstructured]written{}
	}
	var objects []*unstructured.Unstructured
	for _, d := range all {
		object := &unstructured.Unstructured{Object: d.value.(map[string]any)}
		objects = append(objects, object)
		e.written[object] = written{file, d.top}
	}
	return objects, nil
}

// flatten adds a document's object to all, or those that it lists.
func flatten(all []document, d document) ([]document, *problem) {
	fields, isMap := d.value.(map[string]any)
	if !isMap {
		return nil, notAnObject(d)
	}
	object := &unstructured.Unstructured{Object: fields}
	if object.GetKind() == "" || object.GetAPIVersion() == "" {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if strings.EqualFold(key, "kind") && key != "kind" || strings.EqualFold(key, "apiVersion") && key != "apiVersion" {
				wrong, _ := d.top.down(key, anyNode)
				return nil, &problem{"the key " + key, "Capitals count: write apiVersion and kind.", wrong.keyPosition()}
			}
		}
		return nil, d.top.problem("an object without apiVersion or kind", "Every object starts with apiVersion and kind.")
	}
	of, isList := strings.CutSuffix(object.GetKind(), "List")
	if !isList {
		if len(all) == maxObjects {
			return nil, d.top.problem(fmt.Sprintf("more than %d objects", maxObjects), "Keep what the lab asks for.")
		}
		return append(all, d), nil
	}
	items, isSlice := fields["items"].([]any)
	if !isSlice {
		return nil, d.top.problem("a "+Printable(object.GetKind(), 60)+" without items", "Write the object itself.")
	}
	for i, item := range items {
		if fields, isMap := item.(map[string]any); isMap && of != "" && fields["kind"] == nil && fields["apiVersion"] == nil {
			fields["apiVersion"], fields["kind"] = object.GetAPIVersion(), of
		}
		top, _ := d.top.down(fmt.Sprintf("items[%d]", i), anyNode)
		var problem *problem
		if all, problem = flatten(all, document{item, top}); problem != nil {
			return nil, problem
		}
	}
	return all, nil
}

func notAnObject(d document) *problem {
	if _, isSlice := d.value.([]any); isSlice {
		return d.top.problem("a list where an object belongs", "Remove the - in front of apiVersion, and one level of indentation.")
	}
	return d.top.problem("a document that is not an object: "+quote(fmt.Sprint(d.value)), "An object starts with apiVersion, kind and metadata.")
}

// kinds lists the kinds of objects in their order, for a message.
func kinds(objects []*unstructured.Unstructured) string {
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, Printable(o.GetKind(), 60))
	}
	return strings.Join(kinds, ", ")
}
