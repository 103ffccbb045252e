package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rolecall/harness/cluster/internal/engine"
)

// privileged says whether the engine starts a container of the kind that a
// cluster's node is, and if not, why.
func privileged(ctx context.Context, m Machine, e *engine.Engine) Finding {
	err := m.TryPrivileged(ctx, e)
	if err == nil {
		return Finding{OK, Privileged, "It starts privileged containers, which a cluster's node needs.", nil}
	}

	name := title(e.Command)
	said := sentence(err)
	var silent *engine.NotAnsweringError
	switch {
	case errors.As(err, &silent):
		return stopped(m, silent)
	case strings.Contains(said, "unable to apply caps") || m.engineHere() && m.lacksSysResource() && strings.Contains(said, "operation not permitted"):
		return restricted(m, name, said)
	case strings.Contains(said, "incompatible with user namespaces"):
		return Finding{Fix, Privileged, fmt.Sprintf("%s answers, but starts no privileged containers, and a cluster's node is one, because it maps users into a namespace (userns-remap). It said: %s", name, said),
			[]Advice{{"Take the line userns-remap out of /etc/docker/daemon.json, then start it again", "sudo systemctl restart docker"}, m.elsewhere()}}
	case strings.Contains(said, "no space left on device"):
		return Finding{Fix, Privileged, fmt.Sprintf("%s answers, but has no room left for a container. It said: %s", name, said),
			[]Advice{{"See what fills it, then remove what nothing uses", e.Command + " system df\n" + e.Command + " system prune"}}}
	case strings.Contains(said, "denied by plugin"):
		return Finding{Fix, Privileged, fmt.Sprintf("%s answers, but a rule of this machine's administrator forbids privileged containers, and a cluster's node is one. It said: %s", name, said),
			[]Advice{m.elsewhere()}}
	}
	return Finding{Fix, Privileged, fmt.Sprintf("%s answers, but could not start a privileged container, and a cluster's node is one. It said: %s", name, said),
		[]Advice{{"See whether it starts containers at all", e.Command + " run --rm hello-world"}, m.elsewhere()}}
}

// restricted is about a machine that has few rights itself.
func restricted(m Machine, name, said string) Finding {
	missing := "at least one of them"
	if m.engineHere() && m.lacksSysResource() {
		missing = "CAP_SYS_RESOURCE, the right to raise limits such as those on open files and memory"
	}
	says := fmt.Sprintf("%s answers, but cannot start a privileged container, and a cluster's node is one. "+
		"Nothing is wrong with %s: this machine is itself restricted, as sandboxes and some CI runners are. "+
		"A privileged container asks for every capability that Linux has, and this machine was started without %s, so nobody here can pass it on, not even root. It said: %s",
		name, name, missing, said)

	var next []Advice
	switch {
	case needsShim(m) && name == "Docker":
		next = []Advice{{"If you are root here: rolecall's own CI runs on such machines, with a shim in front of the engine's runtime that asks for " +
			"what the machine has and no more (read .ci/README.md). Stop the engine, then start it with the shim",
			service(m, "stop", "docker") + "\n" + startWithShim}}
	case m.engineHere():
		next = []Advice{{"If you are root here: rolecall's own CI runs on such machines, with a shim in front of the engine's runtime that asks for " +
			"what the machine has and no more. Read how to make it the engine's default runtime", "cat .ci/README.md"}}
	}
	return Finding{Fix, Privileged, says, append(next,
		Advice{"If you chose how this machine is started: give it all capabilities. Of a container that is", "docker run --privileged …"},
		m.elsewhere())}
}

// needsShim reports whether this is a restricted Debian, where only a shim
// makes an engine start privileged containers.
func needsShim(m Machine) bool {
	return m.engineHere() && m.lacksSysResource() && strings.Contains(m.distributions(), "debian")
}

const (
	whyShim = "since this machine lacks the capability CAP_SYS_RESOURCE and a cluster's node would ask for it. " +
		"If you are root here, this does it, as in rolecall's own CI (read .ci/README.md)"
	startWithShim = `sudo env "PATH=$PATH" .ci/engine`
)
