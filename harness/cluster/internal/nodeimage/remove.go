package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rolecall/harness/cluster/internal/engine"
)

// Remove deletes every image that was built here, older ones included. The
// next cluster without a registry takes minutes again.
func Remove(ctx context.Context, e *engine.Engine) error {
	names, err := e.Output(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=rolecall.local/*")
	if err != nil {
		return fmt.Errorf("listing the images that were built here: %w", err)
	}
	var errs []error
	for _, name := range strings.Fields(names) {
		errs = append(errs, e.RemoveImage(ctx, name))
	}
	return errors.Join(errs...)
}
