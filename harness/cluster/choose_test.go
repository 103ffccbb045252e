package cluster

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

// farm is a provider that says what a test wants.
type farm struct {
	name        string
	unavailable error
	running     string // the name of a cluster that is
	there       string // the name of one of which something is there
	foreign     bool
	quick       bool
	asked       *[]string
	cleaned     *[]string
}

func (f farm) Name() string { return f.name }
func (f farm) Quick() bool  { return f.quick }

func (f farm) Available(context.Context) error {
	if f.asked != nil {
		*f.asked = append(*f.asked, f.name)
	}
	return f.unavailable
}

func (f farm) Clean(context.Context) error {
	*f.cleaned = append(*f.cleaned, f.name)
	return nil
}

func (f farm) Cluster(name string) Cluster {
	if f.foreign {
		return field{farm: f}
	}
	return barn{farm: f, name: name}
}

// field is a cluster of somebody else's.
type field struct {
	Cluster
	farm farm
}

func (f field) Provider() string { return f.farm.name }

// barn is a cluster of ours.
type barn struct {
	Owned
	farm farm
	name string
}

func (b barn) Provider() string             { return b.farm.name }
func (b barn) Name() string                 { return b.name }
func (b barn) Running(context.Context) bool { return b.farm.running == b.name }
func (b barn) Exists() bool                 { return b.farm.there == b.name }

var (
	existing  = farm{name: "existing", foreign: true}
	buildable = farm{name: "kind", unavailable: ErrMustBuild}
	kind      = farm{name: "kind"}
	embedded  = farm{name: "embedded"}
	nowhere   = farm{name: "embedded", unavailable: errors.New("this is no Linux")}
)

func TestChoose(t *testing.T) {
	running := func(f farm) farm { f.running = DefaultName; return f }
	for name, c := range map[string]struct {
		providers []Provider
		wanted    string
		chosen    string
		says      string
	}{
		"named":                         {[]Provider{kind, embedded, existing}, "embedded", "embedded", ""},
		"named, though unavailable":     {[]Provider{kind, nowhere}, "embedded", "embedded", ""},
		"somebody else's":               {[]Provider{kind, existing}, "existing", "existing", ""},
		"the first":                     {[]Provider{kind, embedded, existing}, Auto, "kind", "cluster: kind, because this machine can run it"},
		"the one that runs":             {[]Provider{kind, running(embedded), existing}, Auto, "embedded", "cluster: embedded, because it is running"},
		"the slower one that runs":      {[]Provider{running(kind), embedded}, Auto, "kind", "cluster: kind, because it is running"},
		"the quicker of two that run":   {[]Provider{running(kind), running(embedded)}, Auto, "embedded", "cluster: embedded, because it is running"},
		"what needs no building":        {[]Provider{buildable, embedded}, Auto, "embedded", "cluster: embedded, because kind is unavailable (the node image is not here and cannot be pulled)"},
		"what must be built":            {[]Provider{buildable, nowhere, existing}, Auto, "kind", "cluster: kind, because nothing else is available: kind is unavailable (the node image is not here and cannot be pulled), embedded is unavailable (this is no Linux); building it takes minutes"},
		"never somebody else's unasked": {[]Provider{existing, embedded}, Auto, "embedded", "cluster: embedded, because this machine can run it"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			chosen, err := Choose(t.Context(), c.providers, Choice{Provider: c.wanted, Name: DefaultName}, func(line string) { said += line })
			require.NoError(t, err)
			assert.Equal(t, c.chosen, chosen.Provider())
			assert.Equal(t, c.says, said)
		})
	}
}

func TestChooseAsksNobodyTwice(t *testing.T) {
	var asked []string
	first, second := nowhere, kind
	first.asked, second.asked = &asked, &asked
	_, err := Choose(t.Context(), []Provider{first, second}, Choice{Provider: Auto, Name: "n"}, func(string) {})
	require.NoError(t, err)
	assert.Equal(t, []string{"embedded", "kind"}, asked)
}

func TestChooseSaysWhyNot(t *testing.T) {
	_, err := Choose(t.Context(), []Provider{nowhere, existing}, Choice{Provider: Auto, Name: "n"}, func(string) {})
	require.EqualError(t, err, "choosing a cluster: embedded is unavailable (this is no Linux)")
	assert.Equal(t, "make doctor", next.Of(err))
}

func TestAnUnknownProviderIsAnError(t *testing.T) {
	want := Choice{Provider: "knid", Name: DefaultName}
	all := []Provider{kind, embedded, existing}
	_, err := Choose(t.Context(), all, want, nil)
	require.EqualError(t, err, "choosing a cluster: unknown CLUSTER=knid: choose auto, embedded, existing or kind")
	_, err = ChooseOwned(t.Context(), all, want, nil)
	require.ErrorContains(t, err, "CLUSTER=knid")
	_, err = Existing(all, want)
	require.ErrorContains(t, err, "CLUSTER=knid", "also for what deletes")
}

func TestANameIsNoPath(t *testing.T) {
	for _, name := range []string{"", "..", "../other", "a/b", "A", "-a", "a b", "a\n"} {
		want := Choice{Provider: "kind", Name: name}
		_, err := Choose(t.Context(), []Provider{kind}, want, nil)
		require.ErrorContains(t, err, "is not a name", "%q", name)
		_, err = Existing([]Provider{kind}, want)
		require.ErrorContains(t, err, "is not a name", "%q", name)
	}
}

func TestChooseStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Choose(ctx, []Provider{nowhere, kind}, Choice{Provider: Auto, Name: "n"}, func(string) {})
	require.ErrorIs(t, err, context.Canceled)
}

func TestChooseOwnedRefusesSomebodyElses(t *testing.T) {
	_, err := ChooseOwned(t.Context(), []Provider{kind, existing}, Choice{Provider: "existing", Name: "n"}, nil)
	require.ErrorContains(t, err, "somebody else's")
}

func TestExisting(t *testing.T) {
	there := kind
	there.there = "n"
	all := []Provider{there, embedded, existing}
	for want, expected := range map[Choice][]string{
		{Auto, "n"}:       {"kind"},
		{Auto, "other"}:   nil,
		{"embedded", "n"}: {"embedded"}, // as named
	} {
		found, err := Existing(all, want)
		require.NoError(t, err)
		var names []string
		for _, c := range found {
			names = append(names, c.Provider())
		}
		assert.Equal(t, expected, names)
	}
}

func TestQuick(t *testing.T) {
	quick, cannot := embedded, nowhere
	quick.quick, cannot.quick = true, true
	assert.Equal(t, Provider(quick), Quick(t.Context(), []Provider{kind, cannot, quick}))
	assert.Nil(t, Quick(t.Context(), []Provider{kind, cannot}))
}
