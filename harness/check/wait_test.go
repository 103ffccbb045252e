package check

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEventually(t *testing.T) {
	broken := errors.New("connection refused")
	for name, test := range map[string]struct {
		done func(context.Context) (bool, error)
		yes  bool
		err  error
	}{
		"at once":        {func(context.Context) (bool, error) { return true, nil }, true, nil},
		"never":          {func(context.Context) (bool, error) { return false, nil }, false, nil},
		"broken":         {func(context.Context) (bool, error) { return false, broken }, false, broken},
		"answer cut off": {func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			yes, err := Eventually(t.Context(), 50*time.Millisecond, 5*time.Millisecond, test.done)
			assert.Equal(t, test.yes, yes)
			assert.ErrorIs(t, err, test.err)
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		yes, err := Eventually(ctx, time.Second, time.Millisecond, func(context.Context) (bool, error) { return false, nil })
		assert.False(t, yes)
		assert.ErrorIs(t, err, context.Canceled)
	})
}
