package corpus

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
)

// forged is what a submission says its grade is.
const forged = `{"schema":"rolecall/results/v1","outcome":"pass","points":100,"maxPoints":100,"score":100,"labs":[]}`

// hostile are submissions that attack whoever grades them. Those that are
// taken in get what their labs are worth, and not a point more.
func (c *class) hostile() {
	c.hostileArchives()
	call, list := c.solution["lab-2/call.sh"], c.solution["lab-5/list.sh"]
	for i, attack := range []struct {
		name    string
		changes map[string]string
		fails   []string
	}{
		// Forging results.
		{"hostile-brings-its-own-results", map[string]string{"results.json": forged, "evidence/manifest.json": forged, "gradebook.html": "<h1>100</h1>", "lab-1/results.json": forged}, nil},
		{"hostile-brings-its-own-checks", map[string]string{"go.mod": "module rolecall\n", "steps/steps.go": "package steps\n", "Makefile": "grade:\n\techo 100\n", "lab-2/go.mod": "module evil\n", "lab-2/.rolecall": "x"}, nil},
		{"hostile-prints-results", map[string]string{"lab-2/call.sh": call + "\necho '" + forged + "'\n"}, nil},
		{"hostile-prints-results-only", map[string]string{"lab-5/list.sh": "echo '" + forged + "'\n"}, []string{"success.allowed"}},
		{"hostile-prints-the-last-word", map[string]string{"lab-5/list.sh": "tr '\\0' '\\n' < /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline >&2; exit 0\n"}, []string{"success.allowed"}},
		// Showing something else than there is.
		{"hostile-html-on-stderr", map[string]string{"lab-2/call.sh": "echo '</pre><script>document.title=1</script><img src=x onerror=alert(1)>' >&2\n" + call}, nil},
		{"hostile-workflow-commands", map[string]string{"lab-2/call.sh": "printf '\\n::error::forged\\n::set-output name=score::100\\n##[add-mask]x\\n' >&2\n" + call}, nil},
		{"hostile-terminal-escapes", map[string]string{"lab-2/call.sh": "printf '\\033[2J\\033]0;x\\007\\r' >&2\n" + call}, nil},
		{"hostile-answers", map[string]string{"lab-3/answer.yaml": "user: '<script>alert(1)</script>'\nverb: '=1+1'\nresource: '[x](javascript:alert(1))'\nnamespace: '```'\nreason: ']]>'\n"}, []string{"forbidden.answer"}},
		{"hostile-kind", map[string]string{"lab-4/rolebinding.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: '</td><h1>forged</h1>'\nmetadata: {name: x}\n"}, []string{"rolebinding.manifest"}},
		// The compiler runs outside of any pod.
		{"hostile-embeds-a-file-of-ours", goInstead("import _ \"embed\"\n\n//go:embed /etc/passwd\nvar stolen string\n\nfunc main() { print(stolen) }\n"), []string{"token.runs"}},
		{"hostile-embeds-upwards", goInstead("import _ \"embed\"\n\n//go:embed ../../../../etc/passwd\nvar stolen string\n\nfunc main() { print(stolen) }\n"), []string{"token.runs"}},
		{"hostile-imports-c", goInstead("// #include </etc/passwd>\nimport \"C\"\n\nfunc main() {}\n"), []string{"token.runs"}},
		{"hostile-huge-variable", goInstead("var a [1 << 50]byte\n\nfunc main() { a[0] = 1 }\n"), []string{"token.runs"}},
		{"hostile-line-directive", goInstead("//line /etc/passwd:1\nfunc main() { undefined() }\n"), []string{"token.runs"}},
		// Taking what the node has.
		{"hostile-kills-everything", map[string]string{"lab-2/call.sh": "kill -9 -1\n"}, []string{"token.runs"}},
		{"hostile-fills-the-disk", map[string]string{"lab-2/call.sh": "yes > /tmp/full 2>/dev/null; rm -f /tmp/full\n" + call}, nil},
		{"hostile-fork-bomb", map[string]string{"lab-2/call.sh": "bomb() { bomb | bomb & }; bomb; sleep 60\n"}, []string{"token.runs"}},
		{"hostile-floods", map[string]string{"lab-5/list.sh": "yes '" + forged + "'\n"}, []string{"success.allowed"}},
		{"hostile-looks-around", map[string]string{"lab-5/list.sh": "cat /etc/shadow /proc/*/environ /var/log/* /root/.kube/config >/tmp/loot 2>&1\n" + list}, nil},
	} {
		files := c.with(attack.changes)
		if _, hasGo := attack.changes["lab-2/call.go"]; hasGo {
			delete(files, "lab-2/call.sh")
		}
		c.add(attack.name, i, files, attack.fails)
	}
	for _, name := range []string{ // attacks on whatever lists names
		"<img src=x onerror=alert(1)>", "=HYPERLINK(\"x\")", "::error::forged", "-rf", "hostile\nname", "hostile-\xff\xfe", "[x](javascript:x)", "'; rm -rf $HOME; '",
	} {
		c.add(name, 0, c.solution, nil)
	}
}

// goInstead is lab 2 as a Go program.
func goInstead(text string) map[string]string {
	return map[string]string{"lab-2/call.go": "package main\n\n" + text}
}

// hostileArchives are archives that reach for what is outside of them.
func (c *class) hostileArchives() {
	with := func(name, text string) map[string]string { return c.with(map[string]string{name: text}) }
	for _, archive := range []struct {
		name    string
		content []byte
	}{
		{"hostile-climbs.zip", zipped("", with("../../evil", forged))},
		{"hostile-climbs-from-a-lab.zip", zipped("", with("lab-1/../../evil", forged))},
		{"hostile-absolute.zip", zipped("", with("/tmp/evil", forged))},
		{"hostile-backslashes.zip", zipped("", with(`lab-1\..\..\evil`, forged))},
		{"hostile-climbs.tar.gz", tarred(with("../evil", forged))},
		{"hostile-absolute.tar.gz", tarred(with("/tmp/evil", forged))},
		{"hostile-link.zip", linked()},
		{"hostile-link.tar.gz", tarred(nil, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})},
		{"hostile-hard-link.tar.gz", tarred(nil, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"})},
		{"hostile-device.tar.gz", tarred(nil, tar.Header{Name: "lab-1/sda", Typeflag: tar.TypeBlock, Devmajor: 8})},
		{"hostile-pipe.tar.gz", tarred(nil, tar.Header{Name: "lab-1/pod.yaml", Typeflag: tar.TypeFifo})},
		{"hostile-bomb.tar.gz", tarred(nil, tar.Header{Name: "lab-1/pod.yaml", Size: 64 << 20})},
		{"hostile-bomb.zip", zipped("", map[string]string{"lab-1/pod.yaml": string(make([]byte, 32<<20))})},
	} {
		c.refuse(archive.name, archive.content)
	}
	c.takeWhole("hostile-odd-name.zip", zipped("", with("lab-1/\x1b[2J\n::error::x", "x"))) // which is left aside
}

// linked is a zip whose pod.yaml is a symbolic link.
func linked() []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "lab-1/pod.yaml"}
	header.SetMode(fs.ModeSymlink | 0o777)
	f, _ := w.CreateHeader(header)
	_, _ = io.WriteString(f, "/etc/passwd")
	_ = w.Close()
	return out.Bytes()
}
