package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"rolecall/harness/next"
)

// Auto stands for the provider that suits the machine best.
const Auto = "auto"

// ErrMustBuild is why a provider is not available right away but would be
// after some minutes of building.
var ErrMustBuild = errors.New("the node image is not here and cannot be pulled")

// Choice is what a user asked for.
type Choice struct {
	Provider string // Auto or a provider's name
	Name     string // of the cluster
}

// Choose returns the cluster that a user asked for. With Auto it is one of ours
// that is running; else one of the first provider that is available; else one
// that must be built. Providers come in the order of preference. say is told
// which and why.
func Choose(ctx context.Context, providers []Provider, want Choice, say func(string)) (Cluster, error) {
	if err := want.Validate(providers); err != nil {
		return nil, err
	}
	if want.Provider != Auto {
		p, err := Find(providers, want.Provider)
		if err != nil {
			return nil, err
		}
		return p.Cluster(want.Name), nil
	}
	take := func(c Cluster, why string) (Cluster, error) {
		say(fmt.Sprintf("cluster: %s, because %s", c.Provider(), why))
		return c, nil
	}
	for _, p := range slices.Backward(providers) { // of two that run, the quicker one
		if c, ours := p.Cluster(want.Name).(Owned); ours && c.Running(ctx) {
			return take(c, "it is running")
		}
	}
	var build Cluster
	var against []string
	for _, p := range providers {
		c, ours := p.Cluster(want.Name).(Owned)
		if !ours {
			continue
		}
		err := p.Available(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && len(against) == 0:
			return take(c, "this machine can run it")
		case err == nil:
			return take(c, strings.Join(against, " and "))
		case errors.Is(err, ErrMustBuild) && build == nil:
			build = c
		}
		against = append(against, fmt.Sprintf("%s is unavailable (%v)", p.Name(), err))
	}
	if build != nil {
		return take(build, "nothing else is available: "+strings.Join(against, ", ")+"; building it takes minutes")
	}
	return nil, next.Errorf("make doctor", "choosing a cluster: %s", strings.Join(against, ", "))
}

// Validate refuses a name that would not do as a part of names and paths, and a
// provider that is not among those.
func (c Choice) Validate(providers []Provider) error {
	if len(validation.IsDNS1123Subdomain(c.Name)) > 0 {
		return next.Errorf("choose another name with NAME=name", "choosing a cluster: NAME=%q is not a name: use lower-case letters, digits, - and .", c.Name)
	}
	if c.Provider == Auto {
		return nil
	}
	_, err := Find(providers, c.Provider)
	return err
}

// ChooseOwned is Choose for what needs a cluster of ours.
func ChooseOwned(ctx context.Context, providers []Provider, want Choice, say func(string)) (Owned, error) {
	c, err := Choose(ctx, providers, want, say)
	if err != nil {
		return nil, err
	}
	owned, ours := c.(Owned)
	if !ours {
		return nil, next.Errorf("choose another with CLUSTER=auto", "choosing a cluster: CLUSTER=%s is somebody else's, and this command is for clusters that rolecall created", want.Provider)
	}
	return owned, nil
}

// Existing returns our clusters that a choice may mean and that have left
// anything behind. A provider that is named counts in any case.
func Existing(providers []Provider, want Choice) ([]Owned, error) {
	if err := want.Validate(providers); err != nil {
		return nil, err
	}
	if want.Provider != Auto {
		c, err := ChooseOwned(context.Background(), providers, want, nil)
		if err != nil {
			return nil, err
		}
		return []Owned{c}, nil
	}
	var existing []Owned
	for _, p := range providers {
		if c, ours := p.Cluster(want.Name).(Owned); ours && c.Exists() {
			existing = append(existing, c)
		}
	}
	return existing, nil
}

// Quick returns the first provider whose clusters are Quick and available, or
// nil.
func Quick(ctx context.Context, providers []Provider) Provider {
	for _, p := range providers {
		if p.Quick() && p.Available(ctx) == nil {
			return p
		}
	}
	return nil
}

// Find returns the provider of that name.
func Find(providers []Provider, name string) (Provider, error) {
	var names []string
	for _, p := range providers {
		if p.Name() == name {
			return p, nil
		}
		names = append(names, p.Name())
	}
	slices.Sort(names)
	return nil, fmt.Errorf("choosing a cluster: unknown CLUSTER=%s: choose %s, %s or %s", name, Auto, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}
