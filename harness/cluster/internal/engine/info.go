package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rolecall/harness/next"
)

// Info says what the engine runs on. With Docker Desktop and its like that is
// a virtual machine, not the host.
type Info struct {
	Version  string // of the engine's service
	OS       string // as GOOS
	Arch     string // as GOARCH
	Cgroup   int    // version of the control groups, 1 or 2
	Rootless bool
}

// Info asks the engine's service. The error is a *NotAnsweringError if the
// service cannot be used, and ErrNone if the command is not there.
func (e *Engine) Info(ctx context.Context) (*Info, error) {
	limited, cancel := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer cancel()
	out, err := e.Output(limited, "info", "--format", "{{json .}}")
	if err != nil {
		return nil, e.notAnswering(ctx, err)
	}
	parse := parseDockerInfo
	if e.Name == "podman" {
		parse = parsePodmanInfo
	}
	info, err := parse([]byte(out))
	if err != nil {
		return nil, e.notAnswering(ctx, err)
	}
	return info, nil
}

func (e *Engine) notAnswering(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *CommandError
	if errors.As(err, &failed) && !failed.Installed() {
		return ErrNone
	}
	denied := strings.Contains(strings.ToLower(err.Error()), "permission denied")
	return next.Errorf("make doctor", "%w", &NotAnsweringError{Engine: e.Command, Permission: denied, Reason: err})
}

// parseDockerInfo reads the answer of Docker, nerdctl and finch.
func parseDockerInfo(b []byte) (*Info, error) {
	var d struct {
		ServerVersion, OSType, Architecture, CgroupVersion string
		SecurityOptions, ServerErrors                      []string
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("reading its info: %w", err)
	}
	if len(d.ServerErrors) > 0 { // Docker's client ends well even when the service does not answer
		return nil, errors.New(strings.Join(d.ServerErrors, "; "))
	}
	if d.ServerVersion == "" {
		return nil, errors.New("its info names no server version")
	}
	info := &Info{
		Version: d.ServerVersion, OS: d.OSType, Arch: goArch(d.Architecture), Cgroup: 1,
		Rootless: slices.ContainsFunc(d.SecurityOptions, func(o string) bool { return strings.HasPrefix(o, "name=rootless") }),
	}
	if d.CgroupVersion == "2" {
		info.Cgroup = 2
	}
	return info, nil
}

func parsePodmanInfo(b []byte) (*Info, error) {
	var p struct {
		Host struct {
			Arch, OS      string
			CgroupVersion string
			Security      struct{ Rootless bool }
		}
		Version struct{ Version string }
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("reading its info: %w", err)
	}
	info := &Info{
		Version: p.Version.Version, OS: p.Host.OS, Arch: goArch(p.Host.Arch), Cgroup: 1,
		Rootless: p.Host.Security.Rootless,
	}
	if p.Host.CgroupVersion == "v2" {
		info.Cgroup = 2
	}
	return info, nil
}

// goArch turns the kernel's name of an architecture into Go's.
func goArch(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	default:
		return name
	}
}
