package harness

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/check"
)

// TestAFailureIsSomewhere: at the place that it names, or else in the only file
// that there is.
func TestAFailureIsSomewhere(t *testing.T) {
	only, own := check.Position{File: "lab-1/a.yaml"}, check.Position{File: "lab-1/a.yaml", Line: 7, Column: 3}
	for _, test := range []struct {
		err        error
		only, want check.Position
	}{
		{&check.Failure{Position: own}, only, own},
		{&check.Failure{}, only, only},
		{&check.Failure{}, check.Position{}, check.Position{}},
		{nil, only, check.Position{}},
		{errors.New("ours"), only, check.Position{}},
	} {
		c := CheckResult{}
		c.settle(test.err, test.only)
		assert.Equal(t, test.want, c.Position)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		assert.Equal(t, test.want.File != "", json.Valid(text) && containsKey(text, "position"), "%s", text)
	}
}

func containsKey(text []byte, key string) bool {
	var fields map[string]any
	_ = json.Unmarshal(text, &fields)
	_, there := fields[key]
	return there
}
