package debian

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const digest = "0000000000000000000000000000000000000000000000000000000000000001"

// archiveOf makes an archive from lines "name version; Field: value; …".
func archiveOf(t *testing.T, lines ...string) *Archive {
	t.Helper()
	var text strings.Builder
	for _, l := range lines {
		head, fields, _ := strings.Cut(l, ";")
		name, version, _ := strings.Cut(head, " ")
		text.WriteString("Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\nFilename: pool/" + name + ".deb\n" +
			"Size: 1\nSHA256: " + digest + "\n" + strings.ReplaceAll(strings.TrimSpace(fields), "; ", "\n") + "\n\n")
	}
	a := &Archive{arch: "amd64", index: index{}}
	require.NoError(t, a.index.read(strings.NewReader(text.String()), "https://mirror/", "amd64"))
	return a
}

func names(pkgs []*Package) string {
	var all []string
	for _, p := range pkgs {
		all = append(all, p.Name)
	}
	return strings.Join(all, " ")
}

func TestResolve(t *testing.T) {
	a := archiveOf(t,
		"app 1; Depends: lib (>= 2), shell | other, awk; Pre-Depends: base",
		"base 1; Essential: yes",
		"lib 1", "lib 2", "lib 1.5",
		"other 1",
		"mawk 1; Provides: awk; Priority: required", "gawk 1; Provides: awk (= 5); Priority: optional",
		"loop-a 1; Depends: loop-b", "loop-b 1; Depends: loop-a:any",
	)
	for wanted, all := range map[string]string{
		"app":       "app base lib mawk other", // shell does not exist, mawk is more important than gawk
		"app,gawk":  "app base gawk lib other", // what is chosen already satisfies
		"loop-a":    "loop-a loop-b",
		"base,base": "base",
	} {
		pkgs, err := a.Resolve(strings.Split(wanted, ",")...)
		require.NoError(t, err)
		require.Equal(t, all, names(pkgs), "of %s", wanted)
	}
	require.Equal(t, []string{"base"}, a.Essential())
	require.Equal(t, "2", a.index.real("lib").Version, "the newest, not the last")
	require.Equal(t, "https://mirror/pool/lib.deb", a.index.real("lib").url)
}

func TestResolveSaysWhatIsMissing(t *testing.T) {
	a := archiveOf(t, "app 1; Depends: lib (>= 3) | gone", "lib 2", "bad 1; Depends: a (=> ")
	_, err := a.Resolve("app")
	require.ErrorContains(t, err, "app depends on lib (>= 3) | gone, which the archive does not have")
	_, err = a.Resolve("nonsense")
	require.ErrorContains(t, err, `Debian amd64 has no package "nonsense"`)
	_, err = a.Resolve("bad")
	require.ErrorContains(t, err, "reading what bad depends on")
}

func TestIndexRefusesNonsense(t *testing.T) {
	for name, text := range map[string]string{
		"no digest":      "Package: a\nVersion: 1\nArchitecture: all\nFilename: a\nSize: 1\n",
		"path as digest": "Package: a\nVersion: 1\nArchitecture: all\nFilename: a\nSize: 1\nSHA256: ../../../etc/passwd\n",
		"negative size":  "Package: a\nVersion: 1\nArchitecture: all\nFilename: a\nSize: -1\nSHA256: " + digest + "\n",
		"no version":     "Package: a\nArchitecture: all\nFilename: a\nSize: 1\nSHA256: " + digest + "\n",
		"no name":        "Version: 1\nArchitecture: all\nFilename: a\nSize: 1\nSHA256: " + digest + "\n",
		"binary":         "\x00\x01\x02\n",
		"orphan line":    " continued\n",
		"twice":          "Package: a\nPackage: b\n",
		"endless line":   "Package: " + strings.Repeat("a", maxLine+1),
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, index{}.read(strings.NewReader(text), "", "amd64"))
		})
	}
}
