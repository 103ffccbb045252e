// Package runtimes picks how pods are isolated on this machine.
package runtimes

import (
	"context"
	"errors"
	"fmt"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/chroot"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/cgroups"
	"rolecall.build/machine/sandbox/namespaces"
)

// Open returns the first runtime that works here: namespaces, and chroots where
// there are none. The error says in a sentence why no pod can run.
func Open(ctx context.Context, config sandbox.Config) (sandbox.Runtime, error) {
	program, err := agents.Load(config.Agent)
	if err != nil {
		return nil, err
	}
	inNamespaces, why := namespaces.New(ctx, program, config)
	if why == nil {
		return inNamespaces, nil
	}
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), program.Close())
	}
	inChroots, err := chroot.New(ctx, program, config, why)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w; nor can pods be chroots here: %w", why, err), program.Close())
	}
	return inChroots, nil
}

// Cgroups are patterns of the names of all cgroups that a runtime makes whose
// Config.Prefix this is, for whoever must remove those of a killed node.
func Cgroups(prefix string) []string { return cgroups.Patterns(prefix) }
