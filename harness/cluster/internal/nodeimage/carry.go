package nodeimage

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/progress"
)

// Carried returns a name of the image that Ensure returns, under which another
// machine finds it after an archive was loaded there. kind's own image is
// named by its digest, which an archive does not hold, so it gets a name of
// ours.
func Carried(ctx context.Context, e *engine.Engine, cacheDir string, p *progress.Display) (ref string, err error) {
	ref, err = Ensure(ctx, e, cacheDir, p)
	if err != nil || ref != defaults.Image {
		return ref, err
	}
	if err := e.Run(ctx, nil, nil, "tag", ref, renamed()); err != nil {
		return "", fmt.Errorf("naming the node image: %w", err)
	}
	return renamed(), nil
}

// renamed is our name of kind's own image.
func renamed() string {
	name, _, _ := strings.Cut(defaults.Image, "@")
	return "rolecall.local/kindest-node:" + name[strings.LastIndex(name, ":")+1:]
}
