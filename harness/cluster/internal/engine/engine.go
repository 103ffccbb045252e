// Package engine drives the container engine of the host, Docker, nerdctl or
// Podman, through its command, as kind itself does.
package engine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"

	"rolecall/harness/next"
)

// ProviderVariable names the environment variable that makes kind, and so us,
// use one engine whatever else is installed.
const ProviderVariable = "KIND_EXPERIMENTAL_PROVIDER"

// ErrNone says that the host has no container engine that kind can use.
var ErrNone = next.Errorf("make doctor", "finding a container engine: none of docker, nerdctl, finch and podman is installed")

// NotAnsweringError says that an engine is installed but its service cannot be
// used.
type NotAnsweringError struct {
	Engine     string // the engine's command
	Permission bool   // it runs, but this user may not use it; otherwise it is stopped
	Reason     error  // what the engine's command said
}

func (e *NotAnsweringError) Error() string {
	return fmt.Sprintf("asking the container engine %s: %v", e.Engine, e.Reason)
}

func (e *NotAnsweringError) Unwrap() error { return e.Reason }

// Engine is a container engine that is installed on this host.
type Engine struct {
	// Name is docker, nerdctl or podman.
	Name string
	// Command is the program it is driven by: Name, or a relative of nerdctl's.
	Command string
}

// candidates are the programs that kind looks for, in its order, and what the
// first line of their -v begins with. A docker that is Podman in disguise is
// told apart by that.
var candidates = []struct{ name, command, version string }{
	{"docker", "docker", "Docker version"},
	{"nerdctl", "nerdctl", "nerdctl version"},
	{"nerdctl", "finch", "finch version"},
	{"podman", "podman", "podman version"},
}

// answerLimit bounds how long an engine may take to say that it is there.
// Docker Desktop, waking up, needs some seconds.
const answerLimit = 20 * time.Second

// Detect returns the first engine, in kind's order, that is installed and
// answers; $KIND_EXPERIMENTAL_PROVIDER narrows the choice to one. The error is
// ErrNone if none is installed, and a *NotAnsweringError about the first
// installed one if none answers.
func Detect(ctx context.Context) (*Engine, error) {
	var silent error
	for _, e := range installed(ctx) {
		_, err := e.Info(ctx)
		if err == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if silent == nil {
			silent = err
		}
	}
	if silent != nil {
		return nil, silent
	}
	return nil, ErrNone
}

// installed returns the engines whose command runs.
func installed(ctx context.Context) []*Engine {
	switch wanted := os.Getenv(ProviderVariable); wanted {
	case "docker", "podman":
		return []*Engine{{Name: wanted, Command: wanted}}
	case "nerdctl", "finch", "nerdctl.lima":
		return []*Engine{{Name: "nerdctl", Command: wanted}}
	}
	var found []*Engine
	for _, c := range candidates {
		e := &Engine{Name: c.name, Command: c.command}
		limited, cancel := context.WithTimeout(ctx, answerLimit)
		out, err := e.Output(limited, "-v")
		cancel()
		if err == nil && strings.HasPrefix(out, c.version) {
			found = append(found, e)
		}
	}
	return found
}

// ProviderOption makes kind use this engine.
func (e *Engine) ProviderOption() cluster.ProviderOption {
	switch e.Name {
	case "podman":
		return cluster.ProviderWithPodman()
	case "nerdctl":
		return cluster.ProviderWithNerdctl(e.Command)
	default:
		return cluster.ProviderWithDocker()
	}
}
