package gocommand

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Toolchain is a go command and the environment that it needs.
type Toolchain struct {
	command     string
	flags       string   // as in GOFLAGS
	environment []string // beside that of this process
}

// inPath is the user's own go command, with the user's own settings.
var inPath = Toolchain{command: "go"}

// Folder is where toolchains that a bundle brought are in rolecall's own
// folder, each in a folder Prefix-something.
const (
	Folder = "bundle"
	Prefix = "go-"
)

// The parts of a toolchain that a bundle brought, in its folder. Programs are
// compiled with them in place, so they belong to the user.
const (
	Root    = "go"      // GOROOT
	Modules = "modules" // GOMODCACHE
	Cache   = "cache"   // GOCACHE
)

// Find returns the go command in PATH or, where there is none, the one that a
// bundle brought into rolecall's folder; of several, the newest. The error is
// an exec.ErrNotFound where there is neither.
func Find(home string) (Toolchain, error) {
	_, err := exec.LookPath("go")
	if err == nil {
		return inPath, nil
	}
	brought, _ := filepath.Glob(filepath.Join(home, Folder, Prefix+"*")) // the pattern is good
	newest, at := "", int64(0)
	for _, folder := range brought {
		if info, err := os.Stat(folder); err == nil && (newest == "" || info.ModTime().UnixNano() > at) {
			newest, at = folder, info.ModTime().UnixNano()
		}
	}
	if home == "" || newest == "" {
		return Toolchain{}, err
	}
	return carried(newest), nil
}

// carried is the toolchain in a folder. Nothing that the user has set for
// another go command reaches it, it needs no home directory, and it takes no
// other version than its own. What it downloads, should anything be missing, is
// checked against go.sum alone: the checksum database is out of reach in a room
// without a network. What it writes can be deleted (-modcacherw).
func carried(folder string) Toolchain {
	root := filepath.Join(folder, Root)
	name := "go"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return Toolchain{
		command: filepath.Join(root, "bin", name),
		flags:   "-modcacherw",
		environment: []string{
			"GOENV=off", "GOROOT=" + root, "GOTOOLCHAIN=local", "GOSUMDB=off",
			"GOMODCACHE=" + filepath.Join(folder, Modules), "GOCACHE=" + filepath.Join(folder, Cache),
			"GOEXPERIMENT=", "GOAMD64=", "GOARM64=", "GODEBUG=", "GOCACHEPROG=", // as the packages in the cache were compiled
		},
	}
}
