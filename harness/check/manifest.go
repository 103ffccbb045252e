package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// maxObjects is how many objects a learner's manifest may hold.
const maxObjects = 50

// Manifest reads a file of Kubernetes objects, YAML or JSON, as strictly as
// the API server can: duplicate keys, missing kinds and anything that is not
// an object are the learner's failure.
func (e *Env) Manifest(name string) ([]*unstructured.Unstructured, error) {
	text, err := e.Submission.Text(name)
	if err != nil {
		return nil, err
	}
	fail := func(got, hint string) error {
		return &Failure{Want: "Kubernetes objects in " + name, Got: got, Hint: hint}
	}

	var objects []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fail("text that is not YAML: "+Printable(err.Error(), 300), "Compare the file with the example in the lab's text.")
		}
		var value any
		if err := yaml.UnmarshalStrict(document, &value); err != nil {
			return nil, fail(yamlProblem(err), yamlHint(err))
		}
		if value == nil { // only comments, or nothing between two ---
			continue
		}
		fields, ok := value.(map[string]any)
		if !ok {
			return nil, fail(fmt.Sprintf("a document that is no object: %s", quote(string(bytes.TrimSpace(document)))), "An object starts with apiVersion, kind and metadata.")
		}
		object := &unstructured.Unstructured{Object: fields}
		if object.GetKind() == "" || object.GetAPIVersion() == "" {
			return nil, fail("an object without apiVersion or kind", "Every object starts with apiVersion and kind.")
		}
		if len(objects) == maxObjects {
			return nil, fail(fmt.Sprintf("more than %d objects", maxObjects), "The lab needs one or two.")
		}
		objects = append(objects, object)
	}
	if len(objects) == 0 {
		return nil, fail("no object, only comments or blank lines", "Remove the # in front of the object's lines, or write one.")
	}
	return objects, nil
}

// yamlProblem is the parser's message without its repeated prefixes.
func yamlProblem(err error) string {
	text := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: ", "yaml: unmarshal errors:\n", "yaml: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return "invalid YAML: " + Printable(strings.TrimSpace(text), 300)
}

func yamlHint(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "already set in map"), strings.Contains(text, "already defined"):
		return "The same key stands twice in one object; keep one of the two."
	case strings.Contains(text, "excessive aliasing"):
		return "Write the values out instead of multiplying them by anchors."
	case strings.Contains(text, "cannot start any token"):
		return "Indent with spaces; YAML allows no tab there."
	}
	return "Check indentation, colons and quotes around the line that the message names."
}

// Kinds lists the kinds of objects in their order, for a message.
func Kinds(objects []*unstructured.Unstructured) string {
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, Printable(o.GetKind(), 60))
	}
	return strings.Join(kinds, ", ")
}

// InHome is the object in the learner's namespace, marked as made by this run.
func (e *Env) InHome(object *unstructured.Unstructured) *unstructured.Unstructured {
	object = object.DeepCopy()
	object.SetNamespace(e.Namespaces.Home)
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[RunLabel] = e.Run
	object.SetLabels(labels)
	return object
}
