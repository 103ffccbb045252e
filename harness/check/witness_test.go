package check

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// TestObserveSeesTheLastRequest is about a program that makes a request and
// ends, and whose end is noticed before the request is read.
func TestObserveSeesTheLastRequest(t *testing.T) {
	var last atomic.Bool
	e := &Env{Audit: follow(t, func(log *json.Encoder) {
		if last.CompareAndSwap(true, false) {
			_ = log.Encode(event("last", "/last", auditv1.StageRequestReceived))
			_ = log.Encode(event("last", "/last", auditv1.StageResponseComplete))
		}
	})}
	ended := func(Requests) bool {
		last.Store(true)
		return true
	}
	seen, err := e.Observe(t.Context(), time.Minute, func() error { return nil }, ended)
	require.NoError(t, err)
	assert.Len(t, seen, 1)
}
