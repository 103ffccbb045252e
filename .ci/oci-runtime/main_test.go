package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// restricted is a full bounding set without CAP_SYS_RESOURCE (bit 24).
const (
	full       capSet = 0x1ffffffffff
	restricted        = full &^ (1 << 24)
)

func TestSpecFile(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		path string
		kind specKind
	}{
		{"--root /r --log /l/log.json --log-format json create --bundle /b --pid-file /b/pid id", "/b/config.json", bundleSpec},
		{"--root=/r --log=/l --systemd-cgroup create --bundle=/b id", "/b/config.json", bundleSpec},
		{"--root create --log exec create -b /b id", "/b/config.json", bundleSpec},
		{"-root /r -debug run -d -bundle /b id", "/b/config.json", bundleSpec},
		{"--rootless auto run --no-pivot --keep --bundle /b id", "/b/config.json", bundleSpec},
		{"restore --image-path /i --work-path /w --bundle /b id", "/b/config.json", bundleSpec},
		{"create id", filepath.Join(wd, "config.json"), bundleSpec},
		{"--root /r exec --process /p --console-socket /s --detach --pid-file /f id", "/p", processSpec},
		{"exec -p /p -d id", "/p", processSpec},
		{"exec -t -u 0 -e A=B --process=/p id", "/p", processSpec},
		{"exec id tool --process /p", "", noSpec},
		{"exec --cwd --process id /p", "", noSpec},
		{"exec -- id --process /p", "", noSpec},
		{"--root /r delete --force create", "", noSpec},
		{"--root /r kill id 9", "", noSpec},
		{"--root /r state id", "", noSpec},
		{"--version", "", noSpec},
		{"--root", "", noSpec},
		{"", "", noSpec},
	} {
		t.Run(tc.args, func(t *testing.T) {
			path, kind, err := specFile(strings.Fields(tc.args))
			if err != nil || path != tc.path || kind != tc.kind {
				t.Errorf("got %q, %d, %v; want %q, %d", path, kind, err, tc.path, tc.kind)
			}
		})
	}
}

func TestReduce(t *testing.T) {
	const process = `{"args":["sh"],"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1024}],"oomScoreAdj":-500,` +
		`"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"],"ambient":null}}`
	const reduced = `{"args":["sh"],"capabilities":{"ambient":null,"bounding":["CAP_CHOWN"],"effective":[]}}`
	const rest = `"annotations":{"new":"kept"},"linux":{"resources":{"memory":{"limit":9223372036854775807}}}`

	for _, tc := range []struct {
		name     string
		in       string
		kind     specKind
		bounding capSet
		want     string
	}{
		{"bundle", `{` + rest + `,"process":` + process + `}`, bundleSpec, restricted, `{` + rest + `,"process":` + reduced + `}`},
		{"process alone", process, processSpec, restricted, reduced},
		{"nothing missing, nothing touched", process, processSpec, full, process},
		{"another capability missing", `{"rlimits":[],"capabilities":{"permitted":["CAP_BPF","CAP_KILL"]}}`, processSpec, full &^ (1 << 39),
			`{"capabilities":{"permitted":["CAP_KILL"]},"rlimits":[]}`},
		{"a capability from the future", `{"capabilities":{"permitted":["CAP_NEW"]}}`, processSpec, restricted, `{"capabilities":{"permitted":["CAP_NEW"]}}`},
		{"no process", `{"hostname":"h"}`, bundleSpec, restricted, `{"hostname":"h"}`},
		{"no capabilities", `{"process":{"args":["sh"]}}`, bundleSpec, restricted, `{"process":{"args":["sh"]}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := reduce([]byte(tc.in), tc.kind, tc.bounding)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}

	if _, err := reduce([]byte("not JSON"), bundleSpec, restricted); err == nil {
		t.Error("garbage was taken for a configuration")
	}
}

func TestReduceFileKeepsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"process":{"oomScoreAdj":0}}`), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := reduceFile(path, bundleSpec, restricted); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	if info.Mode() != 0o640 || !json.Valid(data) || strings.Contains(string(data), "oomScoreAdj") {
		t.Errorf("mode %v, content %s", info.Mode(), data)
	}

	if err := reduceFile(path+".missing", bundleSpec, restricted); err != nil {
		t.Errorf("a missing file is runc's to report: %v", err)
	}
}

func TestBoundingSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	write("Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n")
	got, err := boundingSet(path)
	if err != nil || got != restricted {
		t.Errorf("got %x, %v", got, err)
	}
	if got.allows("CAP_SYS_RESOURCE") || !got.allows("CAP_SYS_ADMIN") || !got.allows("CAP_SYS_TIME") {
		t.Error("the wrong capability is missing")
	}

	write("Name:\tx\n")
	if _, err := boundingSet(path); err == nil {
		t.Error("a status without CapBnd was accepted")
	}
}
