package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rolecall/harness/cluster/internal/engine"
)

// answering is an engine that answers, and what it said.
type answering struct {
	*engine.Engine
	*engine.Info
}

// containerEngine returns nil if there is none that could start a node.
func containerEngine(ctx context.Context, m Machine) (*answering, Finding) {
	e, err := m.Detect(ctx)
	var info *engine.Info
	if err == nil {
		info, err = m.Info(ctx, e)
	}
	var silent *engine.NotAnsweringError
	switch {
	case errors.Is(err, engine.ErrNone):
		return nil, noEngine(m)
	case errors.As(err, &silent) && silent.Permission:
		return nil, forbidden(m, silent)
	case errors.As(err, &silent):
		return nil, stopped(m, silent)
	case err != nil:
		return nil, Finding{Fix, Engine, "The container engine could not be asked: " + sentence(err), []Advice{m.elsewhere()}}
	case info.OS != "linux":
		return nil, Finding{Fix, Engine, fmt.Sprintf("%s runs %s containers, and a Kubernetes node is a Linux container.", title(e.Command), info.OS),
			[]Advice{{"Switch Docker Desktop to Linux containers (in the menu of its icon), or", `& "$Env:ProgramFiles\Docker\Docker\DockerCli.exe" -SwitchLinuxEngine`}}}
	}
	return &answering{e, info}, Finding{OK, Engine, fmt.Sprintf("%s %s answers (%s/%s).", title(e.Command), info.Version, info.OS, info.Arch), nil}
}

func noEngine(m Machine) Finding {
	says := "There is no container engine here: docker, nerdctl, finch and podman are all missing from PATH. A kind cluster needs one, since its node is a container; an embedded cluster needs none."
	if wanted := m.Getenv(engine.ProviderVariable); wanted != "" {
		says = fmt.Sprintf("%s asks for %s, and that is not installed here. A kind cluster's node is a container, so an engine is needed.", engine.ProviderVariable, wanted)
		return Finding{Fix, Engine, says, []Advice{{"Take any engine that is there instead", "unset " + engine.ProviderVariable}, m.elsewhere()}}
	}
	return Finding{Fix, Engine, says, append(install(m), m.elsewhere())}
}

// install says how to get an engine here.
func install(m Machine) []Advice {
	switch {
	case m.GOOS == "darwin":
		return []Advice{{"Install Docker Desktop, then start it", "brew install --cask docker\nopen -a Docker"},
			{"Or, without a window", "brew install colima docker\ncolima start --cpu 2 --memory 4"}}
	case m.GOOS == "windows":
		return []Advice{{"Install Docker Desktop, start it, and work inside WSL from then on", "wsl --install\nwinget install Docker.DockerDesktop"}}
	case m.wsl():
		return []Advice{{"Install Docker Desktop in Windows, and there turn on Settings > Resources > WSL integration for this distribution", "winget.exe install Docker.DockerDesktop"},
			{"Or install an engine inside WSL", "sudo apt-get update && sudo apt-get install docker.io\nsudo service docker start"}}
	}
	if needsShim(m) {
		return []Advice{{"Install Docker and start it with a shim, " + whyShim, startWithShim}}
	}
	ids := m.distributions()
	for _, known := range []struct{ id, command string }{
		{"debian", "sudo apt-get update && sudo apt-get install docker.io"},
		{"ubuntu", "sudo apt-get update && sudo apt-get install docker.io"},
		{"fedora", "sudo dnf install moby-engine && sudo systemctl enable --now docker"},
		{"rhel", "sudo dnf install podman"},
		{"suse", "sudo zypper install docker && sudo systemctl enable --now docker"},
		{"arch", "sudo pacman -S docker && sudo systemctl enable --now docker"},
		{"alpine", "sudo apk add docker && sudo rc-update add docker && sudo service docker start"},
	} {
		if strings.Contains(ids, known.id) {
			return []Advice{{"Install one", known.command}}
		}
	}
	return []Advice{{"Install Docker as its makers say", "https://docs.docker.com/engine/install/"}}
}

func stopped(m Machine, silent *engine.NotAnsweringError) Finding {
	says := fmt.Sprintf("%s is installed, but its service does not answer. It is most likely stopped. It said: %s", title(silent.Engine), sentence(silent.Reason))
	variable := map[string]string{"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[silent.Engine]
	if host := m.Getenv(variable); variable != "" && host != "" {
		says = fmt.Sprintf("%s is installed, but nothing answers where %s points to: %s. It said: %s", title(silent.Engine), variable, host, sentence(silent.Reason))
		return Finding{Fix, Engine, says, []Advice{{"If you did not mean that address, use the usual one", "unset " + variable}, {"If you did, start the engine there, then check", silent.Engine + " info"}}}
	}
	return Finding{Fix, Engine, says, append(start(m, silent.Engine), Advice{"Then check", silent.Engine + " info"})}
}

// start says how to start a stopped engine here.
func start(m Machine, command string) []Advice {
	switch {
	case command == "podman" && m.GOOS != "linux":
		return []Advice{{"Start Podman's virtual machine (the first time, podman machine init comes before)", "podman machine start"}}
	case command == "podman":
		return []Advice{{"Podman has no service that could be stopped; let it repair its state", "podman system migrate"}}
	case command == "finch":
		return []Advice{{"Start Finch's virtual machine", "finch vm start"}}
	case command != "docker" && m.GOOS != "linux":
		return []Advice{{"Start its virtual machine", "limactl start default"}}
	case command != "docker":
		return []Advice{{"Start containerd", service(m, "start", "containerd")}}
	case m.GOOS == "darwin":
		return []Advice{{"Start Docker Desktop", "open -a Docker"}, {"Or, if you use colima", "colima start"}}
	case m.GOOS == "windows":
		return []Advice{{"Start Docker Desktop", `start "" "C:\Program Files\Docker\Docker\Docker Desktop.exe"`}}
	case m.wsl():
		return []Advice{{"Start Docker Desktop in Windows, and there turn on Settings > Resources > WSL integration for this distribution", `"/mnt/c/Program Files/Docker/Docker/Docker Desktop.exe" &`},
			{"Or, if Docker is installed inside WSL", service(m, "start", "docker")}}
	}
	if needsShim(m) {
		return []Advice{{"Start it with a shim, " + whyShim, startWithShim}}
	}
	return []Advice{{"Start it", service(m, "start", "docker")}, {"Or, if you use Docker Desktop", "systemctl --user start docker-desktop"}}
}

// service is how to start or stop a service here.
func service(m Machine, verb, name string) string {
	if m.systemd() {
		return "sudo systemctl " + verb + " " + name
	}
	return "sudo service " + name + " " + verb
}

func forbidden(m Machine, silent *engine.NotAnsweringError) Finding {
	says := fmt.Sprintf("%s runs, but this user may not talk to it. It said: %s", title(silent.Engine), sentence(silent.Reason))
	if silent.Engine != "docker" {
		return Finding{Fix, Engine, says, []Advice{{"See what it needs", silent.Engine + " info"}, m.elsewhere()}}
	}
	says += " Its socket belongs to the group docker. Whoever is in that group can become root on this machine, so join only where that is fine."
	return Finding{Fix, Engine, says, []Advice{
		{"Join the group, and use it at once in this shell (elsewhere: log in again)", "sudo usermod -aG docker $USER\nnewgrp docker"},
		{"Or work without root", "dockerd-rootless-setuptool.sh install"},
		m.elsewhere(),
	}}
}

// title is an engine's name at the head of a sentence.
func title(command string) string {
	if command == "nerdctl" {
		return command // as its makers write it
	}
	return strings.ToUpper(command[:1]) + command[1:]
}

// sentence is what the engine said, without the words around it.
func sentence(err error) string {
	said := err.Error()
	var command *engine.CommandError
	if errors.As(err, &command) {
		said = command.Stderr
		if said == "" {
			said = command.Err.Error()
		}
	}
	said, _, _ = strings.Cut(said, "\n\nRun '") // the client's advice to read its help
	said, _, _ = strings.Cut(said, "\nSee '")
	said = strings.TrimRight(strings.TrimSpace(said), ".:")
	if strings.HasSuffix(said, "?") {
		return said
	}
	return said + "."
}
