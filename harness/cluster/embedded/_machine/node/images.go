package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/parsers"

	"rolecall.build/machine/imagearchive"
)

// image is one that the node holds.
type image struct {
	ref     string // repository:tag, in full
	archive string
	opened  *imagearchive.Image
	id      string // sha256:…, of its configuration
	config  v1.Config
	users   accounts
}

// images are all that the node holds, by reference. It pulls none.
type images map[string]*image

// openImages reads what containers need to know of each archive.
func openImages(archives map[string]string) (images, error) {
	held := images{}
	for ref, archive := range archives {
		opened, err := imagearchive.Open(archive)
		if err != nil {
			return nil, fmt.Errorf("reading the image %s from %s: %w", ref, archive, err)
		}
		name, err := fullName(ref)
		if err != nil {
			return nil, err
		}
		held[name] = &image{
			ref: name, archive: archive, opened: opened, id: opened.ID, config: opened.Config, users: accounts{opened.Passwd, opened.Group},
		}
	}
	return held, nil
}

// fullName adds the registry and the tag that a reference leaves out.
func fullName(ref string) (string, error) {
	repository, tag, digest, err := parsers.ParseImageName(ref)
	switch {
	case err != nil:
		return "", err
	case digest != "":
		return repository + "@" + digest, nil
	}
	return repository + ":" + tag, nil
}

// only says which images there are.
func (held images) only() string {
	names := strings.Join(slices.Sorted(maps.Keys(held)), ", ")
	if len(held) == 1 {
		return "the only image on it is " + names
	}
	return "the only images on it are " + names
}

// pull is why a container cannot have its image, in the kubelet's words.
type pull struct {
	reason  string // of the waiting state
	message string
	events  []event
}

func (p *pull) Error() string { return p.reason + ": " + p.message }

// find is the image that a container asks for. An error is a *pull.
func (held images) find(c *corev1.Container) (*image, []event, error) {
	name, err := fullName(c.Image)
	if err != nil {
		message := fmt.Sprintf("Failed to apply default image tag %q: %v", c.Image, err)
		return nil, nil, &pull{"InvalidImageName", message, []event{
			warning("InspectFailed", message), warning("Failed", "Error: InvalidImageName"),
		}}
	}
	found := held[name]
	switch {
	case found == nil && c.ImagePullPolicy == corev1.PullNever:
		message := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
		return nil, nil, &pull{"ErrImageNeverPull", message, []event{
			warning("ErrImageNeverPull", message), warning("Failed", "Error: ErrImageNeverPull"),
		}}
	case found != nil && c.ImagePullPolicy != corev1.PullAlways:
		return found, []event{normal("Pulled", fmt.Sprintf("Container image %q already present on machine", c.Image))}, nil
	}
	why := fmt.Sprintf("failed to pull and unpack image %q: failed to resolve reference %q: this node cannot reach a registry; %s", name, name, held.only())
	return nil, nil, &pull{"ErrImagePull", why, []event{
		normal("Pulling", fmt.Sprintf("Pulling image %q", c.Image)),
		warning("Failed", fmt.Sprintf("Failed to pull image %q: %s", c.Image, why)),
		warning("Failed", "Error: ErrImagePull"),
	}}
}

// again is the state between two tries to pull.
func (p *pull) again(image string) *pull {
	message := fmt.Sprintf("Back-off pulling image %q", image)
	return &pull{"ImagePullBackOff", message + ": " + p.reason + ": " + p.message, []event{
		normal("BackOff", message), warning("Failed", "Error: ImagePullBackOff"),
	}}
}

// pullShown is how long ErrImagePull is shown before ImagePullBackOff: a kubelet
// changes it when it next looks at the pod.
const pullShown = time.Second
