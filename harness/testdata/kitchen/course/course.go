// Package course is a course of two labs on another subject than service
// accounts: other files, kinds of object and namespaces, and no programs.
package course

import (
	"context"
	"embed"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

//go:embed lab-*
var files embed.FS

// scene is one namespace.
const scene = `
apiVersion: v1
kind: Namespace
metadata:
  name: {{.kitchen}}
  labels: {rolecall.local/place: kitchen}
`

// Kitchen is the course.
func Kitchen() harness.Course {
	return harness.Course{
		Name: "cooking", Title: "a kitchen of two labs",
		Labs: []harness.Lab{
			lab(1, "menu", "Writing the menu", "ConfigMap"),
			lab(2, "sign", "Hanging out the sign", "Service"),
		},
		Parts: []harness.Part{{Name: "starters", First: 1, Last: 1}, {Name: "dinner", First: 1, Last: 2}},
		Scene: cluster.Scene{
			Namespaces: cluster.Namespaces{{Role: "kitchen", Name: "kitchen"}},
			Objects:    scene, Image: "labs.local/busybox-curl:1",
		},
		Files: files, Path: "harness/testdata/kitchen/course",
	}
}

// lab asks for one object of a kind, labelled course: dinner.
func lab(number int, slug, title, kind string) harness.Lab {
	kinds := []schema.GroupVersionKind{{Version: "v1", Kind: kind}}
	lab := harness.Lab{
		Number: number, Slug: slug, Title: title, Objects: kinds,
		Files: []check.File{{Name: slug + ".yaml", Form: check.ManifestFile}},
	}
	written := func(ctx context.Context, e *check.Env) error {
		home := e.Namespaces.Home()
		objects, err := e.Objects(ctx, check.Wanted{
			File: lab.Folder() + "/" + slug + ".yaml", Want: "one " + kind, One: true,
			Kinds: kinds, Namespaces: map[string]string{"": home, "kitchen": home},
		})
		if err != nil {
			return err
		}
		created, err := e.Create(ctx, objects[0])
		if refusal, refused := check.AsRefusal(err); refused {
			return &check.Failure{Want: "an object that the API server accepts", Got: refusal.Message, Hint: "The message names the field.", Position: refusal.Position}
		}
		if err != nil {
			return err
		}
		e.Saw(check.Evidence{Object: kind + " " + created.GetName() + " is in the kitchen"})
		e.Keep(created)
		return nil
	}
	labelled := func(_ context.Context, e *check.Env) error {
		got := check.Need[*unstructured.Unstructured](e, slug+".written").GetLabels()["course"]
		if got != "dinner" {
			return &check.Failure{Want: "the label course: dinner", Got: "course: " + check.Printable(got, 60), Hint: "Labels are below metadata."}
		}
		return nil
	}
	lab.Checks = []harness.Check{
		{ID: slug + ".written", Desc: "the file holds one " + kind + ", which the API server accepts", Points: 3, Run: written},
		{ID: slug + ".labelled", Desc: "it is for dinner", Points: 4, Needs: []string{slug + ".written"}, Run: labelled},
	}
	return lab
}
