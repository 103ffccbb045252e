package doctor

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"os/exec"
	"strconv"
	"strings"

	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/versions"
)

const goNeeded = "go" + versions.Go

// goCommand looks for the Go that compiles. Its finding is a Fix where
// something must be compiled, and no more than a Note elsewhere.
func goCommand(ctx context.Context, m Machine) Finding {
	got, err := m.GoEnv(ctx, "GOVERSION")
	what := "It compiles "
	if !m.Compiled() {
		what += "the embedded cluster, once, "
	}
	what += "kind's node image where none can be pulled, and what is handed in as a Go program. Shell programs need no Go."
	get := []Advice{{"Install it, and make sure that its bin folder is in PATH", "https://go.dev/doc/install"}}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return Finding{Fix, Go, "There is no go command in PATH. " + what, get}
	case err != nil:
		return Finding{Fix, Go, "The go command fails: " + err.Error() + ". " + what, []Advice{{"See what it says", "go env"}}}
	case version.IsValid(got) && version.Compare(got, goNeeded) < 0:
		return Finding{Fix, Go, fmt.Sprintf("The go command is %s, and %s or newer is needed. %s", got, goNeeded, what), get}
	}
	return Finding{OK, Go, fmt.Sprintf("The go command is %s.", got), nil}
}

// surroundings are facts about the kernel that the node will share.
func surroundings(m Machine, e *answering) []Finding {
	var found []Finding
	switch {
	case e.Rootless && e.Cgroup == 1:
		found = append(found, Finding{Fix, Rootless, fmt.Sprintf("%s runs without root, on control groups version 1. A node needs version 2 for that, or an engine that runs as root.", title(e.Command)),
			[]Advice{{"Switch to version 2, which takes a restart; add this to the kernel's command line", "systemd.unified_cgroup_hierarchy=1"}, m.elsewhere()}})
	case e.Rootless:
		found = append(found, Finding{Note, Rootless, fmt.Sprintf("%s runs without root. A node works that way if systemd delegates all control groups to you; if its start fails, this is the first thing to look at.", title(e.Command)),
			[]Advice{{"Read what to set", "https://kind.sigs.k8s.io/docs/user/rootless/"}}})
	case e.Cgroup == 1:
		found = append(found, Finding{Note, Cgroup, "Control groups are version 1, which Kubernetes refuses unless told otherwise. rolecall tells its node so; there is nothing to do.", nil})
	}
	if m.engineHere() {
		found = append(found, inotify(m)...)
	}
	return found
}

// Below these a node's systemd, kubelet and containerd may find too few left
// by others. kind's own advice is the second number.
const (
	watchesNeeded, watchesGood     = 65536, 524288
	instancesNeeded, instancesGood = 128, 512
)

func inotify(m Machine) []Finding {
	const folder = "/proc/sys/fs/inotify/"
	watches, okWatches := number(m, folder+"max_user_watches")
	instances, okInstances := number(m, folder+"max_user_instances")
	if !okWatches || !okInstances || watches >= watchesNeeded && instances >= instancesNeeded {
		return nil
	}
	return []Finding{{Note, Inotify, fmt.Sprintf("A user may watch %d files in %d groups here (inotify), which is little for a node: it could fail with \"too many open files\".", watches, instances),
		[]Advice{{"Raise both until the next restart (for good: the same two settings in /etc/sysctl.d/99-kind.conf)",
			fmt.Sprintf("sudo sysctl fs.inotify.max_user_watches=%d fs.inotify.max_user_instances=%d", max(watches, watchesGood), max(instances, instancesGood))}}}}
}

func number(m Machine, file string) (int, bool) {
	text, err := m.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}

func nodeImage(ctx context.Context, m Machine, e *engine.Engine) (_ Finding, present bool) {
	if ref, present := m.NodeImage(ctx, e); present {
		return Finding{OK, NodeImage, fmt.Sprintf("The node's image is here (%s): a cluster starts in less than a minute.", ref), nil}, true
	}
	return Finding{Note, NodeImage, "The node's image is not here yet. The first lab pulls kind's image if a registry can be reached, in a minute or two; " +
		"if not, it builds one from Go modules and Debian packages, once, in about 15 minutes on two cores.", nil}, false
}
