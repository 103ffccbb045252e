// Package doctor looks at the machine and tells a person in plain sentences
// what rolecall can do on it, what prevents it, and what to do next.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rolecall/harness/cluster"
)

// ErrNotReady says that labs cannot run here yet. The person has been told
// why, so it needs no more words.
var ErrNotReady = errors.New("examining this machine: something must be done first")

// Run examines this machine, tells about it on w as it goes, and returns nil
// if labs can run here on a cluster of that provider, or of any if it is
// cluster.Auto, and ErrNotReady if something must be done first. Any other
// error means that it could not look. home is rolecall's folder for clusters
// and images, try the command of make to go on with, and worded returns a text
// with commands of make as the person types them.
func Run(ctx context.Context, w io.Writer, home, provider, try string, worded func(text string) string) error {
	var lost error
	m := ThisMachine(home, try)
	report, err := Diagnose(ctx, m, provider, func(f Finding) {
		_, err := io.WriteString(w, worded(f.String()))
		lost = errors.Join(lost, err)
	})
	if err := errors.Join(err, ctx.Err(), lost); err != nil {
		return fmt.Errorf("examining this machine: %w", err)
	}
	if !report.Ready() {
		fmt.Fprintln(w, worded("\nNot ready yet. "+report.toDo(m)+", then run make doctor again."))
		return ErrNotReady
	}
	fmt.Fprintln(w, "\nReady. Run", worded(try))
	return nil
}

// Diagnose examines a machine for a cluster of that provider. tell, if not
// nil, hears each finding at once, since some take seconds.
func Diagnose(ctx context.Context, m Machine, provider string, tell func(Finding)) (Report, error) {
	d := &diagnosis{Machine: m, ctx: ctx, tell: tell}
	d.toolchain = goCommand(ctx, m)
	switch provider {
	case "embedded":
		d.embedded(Fix)
		d.finish(!d.compiled)
	case "kind":
		d.kind(Fix)
		d.finish(false)
	case cluster.Auto:
		starts := d.embedded(Note)
		otherwise := Fix
		if starts {
			otherwise = Note // what keeps kind from starting keeps no lab from running
		}
		started := d.kind(otherwise)
		d.finish(!starts && !started && d.isolates)
	case "existing":
		d.add(Finding{OK, Existing, "A cluster that exists already needs nothing here but a kubeconfig that has its context.", nil})
		d.finish(false)
	default:
		return Report{}, fmt.Errorf("unknown CLUSTER=%s: choose auto, embedded, existing or kind", provider)
	}
	return d.report, nil
}

// diagnosis is one examination as it goes on.
type diagnosis struct {
	Machine
	ctx    context.Context
	tell   func(Finding)
	report Report

	toolchain Finding  // about Go
	isolates  bool     // the embedded cluster's pods can be isolated
	compiled  bool     // and its programs are there
	volumes   []volume // of the cluster that needs least of them
	starts    bool     // that cluster
}

func (d *diagnosis) add(findings ...Finding) {
	for _, f := range findings {
		if d.Root {
			f.Next = withoutSudo(f.Next)
		}
		d.report.Findings = append(d.report.Findings, f)
		if d.tell != nil && d.ctx.Err() == nil { // what was cut short is no finding
			d.tell(f)
		}
	}
}

// embedded looks whether an embedded cluster would start. What prevents it has
// the level of otherwise.
func (d *diagnosis) embedded(otherwise Level) (starts bool) {
	pods := embeddedCluster(d.Machine)
	d.isolates = pods.Level == OK
	d.add(pods.atMost(otherwise))
	d.compiled = d.Compiled()
	starts = d.isolates && (d.compiled || d.toolchain.Level == OK)
	d.prefer(embeddedVolumes(d.ctx, d.Machine, d.compiled), starts)
	return starts
}

// kind looks whether a kind cluster would start. What prevents it has the
// level of otherwise.
func (d *diagnosis) kind(otherwise Level) (starts bool) {
	add := func(findings ...Finding) {
		for _, f := range findings {
			d.add(f.atMost(otherwise))
		}
	}
	e, found := containerEngine(d.ctx, d.Machine)
	add(found)
	present := false
	if e != nil {
		node := privileged(d.ctx, d.Machine, e.Engine)
		around := surroundings(d.Machine, e)
		add(node)
		add(around...)
		var image Finding
		image, present = nodeImage(d.ctx, d.Machine, e.Engine)
		add(image)
		starts = Report{append(around, node)}.Ready()
	}
	d.prefer(kindVolumes(d.ctx, d.Machine, e, present), starts)
	return starts
}

// prefer keeps the volumes of a cluster, unless those of another that starts
// need less room.
func (d *diagnosis) prefer(volumes []volume, starts bool) {
	if d.volumes == nil || starts && (!d.starts || volumes[0].least < d.volumes[0].least) {
		d.volumes, d.starts = volumes, starts
	}
}

// finish adds what depends on the cluster that a lab would run on.
func (d *diagnosis) finish(needsGo bool) {
	if needsGo {
		d.add(d.toolchain)
	} else {
		d.add(d.toolchain.atMost(Note))
	}
	d.add(room(d.Machine, d.volumes)...)
}
