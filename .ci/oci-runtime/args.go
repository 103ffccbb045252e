package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// specKind says what a file that runc is about to read holds.
type specKind int

const (
	noSpec      specKind = iota // the command reads no file of ours to reduce
	bundleSpec                  // a bundle's config.json, with the process inside
	processSpec                 // a process alone, as exec --process takes it
)

// The flags of runc that take a value in an argument of their own. All others
// are switches. Only with these can the first word that is no flag be told from
// the value of a flag.
var (
	globalValues = set("root", "log", "log-format", "criu", "rootless")
	bundleValues = set("bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
		"image-path", "work-path", "parent-path", "manage-cgroups-mode", "empty-ns", "lsm-profile", "lsm-mount-context")
	execValues = set("process", "p", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
		"cwd", "env", "e", "user", "u", "additional-gids", "g", "process-label", "apparmor", "cap", "c", "cgroup")
)

// specFile finds the file that runc, called with args, takes a container's or a
// process's configuration from.
func specFile(args []string) (string, specKind, error) {
	_, rest := parseFlags(args, globalValues)
	if len(rest) == 0 {
		return "", noSpec, nil
	}

	switch command, args := rest[0], rest[1:]; command {
	case "create", "run", "restore":
		flags, _ := parseFlags(args, bundleValues)
		bundle := first(flags["bundle"], flags["b"])
		if bundle == "" {
			wd, err := os.Getwd()
			if err != nil {
				return "", noSpec, fmt.Errorf("finding the bundle of %q: %w", command, err)
			}
			bundle = wd
		}
		return filepath.Join(bundle, "config.json"), bundleSpec, nil
	case "exec":
		flags, _ := parseFlags(args, execValues)
		if path := first(flags["process"], flags["p"]); path != "" {
			return path, processSpec, nil
		}
	}
	return "", noSpec, nil
}

// parseFlags reads the flags at the head of args in the forms that runc takes
// (-f, --f, --f=value, --f value) and returns them with what follows them.
func parseFlags(args []string, takesValue map[string]bool) (map[string]string, []string) {
	flags := map[string]string{}
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return flags, args[1:]
		}
		if len(arg) < 2 || arg[0] != '-' {
			return flags, args
		}
		args = args[1:]

		name, value, joined := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if !joined && takesValue[name] && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		flags[name] = value
	}
	return flags, nil
}

func set(names ...string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
