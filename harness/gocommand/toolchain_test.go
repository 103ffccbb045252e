package gocommand

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindPrefersTheUsersOwn(t *testing.T) {
	home, path := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	_, err := Find(home)
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = Find("")
	require.ErrorIs(t, err, exec.ErrNotFound)

	for age, name := range []string{"go-b", "go-a", "go-c"} {
		folder := filepath.Join(home, Folder, name)
		require.NoError(t, os.MkdirAll(folder, 0o700))
		at := time.Now().Add(-time.Duration(age) * time.Hour)
		require.NoError(t, os.Chtimes(folder, at, at))
	}
	brought, err := Find(home)
	require.NoError(t, err)
	newest := filepath.Join(home, Folder, "go-b")
	assert.Equal(t, carried(newest), brought)

	require.NoError(t, os.WriteFile(filepath.Join(path, "go"), []byte("#!/bin/sh\n"), 0o700))
	own, err := Find(home)
	require.NoError(t, err)
	assert.Equal(t, inPath, own)
}

func TestACarriedToolchainHasItsOwnSurroundings(t *testing.T) {
	t.Setenv("GOROOT", "/elsewhere")
	t.Setenv("GOENV", "/elsewhere/env")
	command := carried("/home/bundle/go-1").New(t.Context(), t.TempDir(), "linux", "arm64", "-mod=readonly", "build")
	assert.Equal(t, filepath.FromSlash("/home/bundle/go-1/go/bin/go"), command.Path)
	values := map[string]string{}
	for _, variable := range command.Env { // the last one counts
		if name, value, found := strings.Cut(variable, "="); found {
			values[name] = value
		}
	}
	assert.Equal(t, Flags+" -modcacherw -mod=readonly", values["GOFLAGS"])
	assert.Equal(t, "/home/bundle/go-1/go", filepath.ToSlash(values["GOROOT"]))
	assert.Equal(t, "off", values["GOENV"])
	assert.Equal(t, "local", values["GOTOOLCHAIN"])
	assert.Equal(t, "arm64", values["GOARCH"])
	assert.True(t, slices.Contains(command.Env, "CGO_ENABLED=0"))
}
