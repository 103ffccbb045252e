package command

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// TestInterruptedQuestion is Ctrl-C where a user is asked something.
func TestInterruptedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		silence, speak := io.Pipe()
		var out, errs bytes.Buffer
		status := make(chan int)
		go func() { status <- run(ctx, cooking(), madeUp, []string{"solution", "1"}, silence, &out, &errs) }()
		synctest.Wait()
		interrupt()
		assert.Equal(t, 2, <-status)
		assert.Equal(t, "Interrupted. Run rolecall solution 1 again.\n", errs.String())
		assert.NotContains(t, out.String(), "hot")
		assert.NoError(t, speak.Close())
	})
}
