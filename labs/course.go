// Package labs is the course: the one ordered list of labs, and what a learner
// reads and gets.
package labs

import (
	"embed"

	"rolecall/harness"
	"rolecall/steps"
)

//go:embed tour.md lab-*/README.md lab-*/hints.md lab-*/starter lab-*/solution walkthrough/README.md walkthrough/hints.md
var files embed.FS

// Course is the Kubernetes service-account walkthrough, and what lies beyond it.
func Course() harness.Course {
	story, tour := steps.Walkthrough(), steps.Tour()
	return harness.Course{
		Name:  "walkthrough",
		Title: "the Kubernetes service-account walkthrough",
		Labs: []harness.Lab{
			steps.Pod(),
			steps.Token(),
			steps.Forbidden(),
			steps.RoleBinding(),
			steps.Success(),
			steps.Role(),
			steps.Names(),
			steps.Audience(),
			steps.Expiry(),
			steps.Secret(),
			steps.User(),
			steps.OpenID(),
		},
		Story:   &story,
		Tour:    &tour,
		Parts:   []harness.Part{{Name: "walkthrough", First: 1, Last: 5}, {Name: "beyond", First: 6, Last: 12}},
		Scene:   steps.Scene(),
		Program: steps.Program(),
		Before:  steps.Before,
		Files:   files,
		Path:    "labs",
	}
}
