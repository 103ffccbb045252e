// Package doctor looks at the machine and tells a person in plain sentences
// what rolecall can do on it, what stands in the way, and what to type next.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrNotReady says that labs cannot run here yet. The person has been told
// why, so it needs no more words.
var ErrNotReady = errors.New("examining this machine: something must be done first")

// Run examines this machine, tells about it on w as it goes, and returns nil
// if labs can run here, on an embedded cluster or on kind, and ErrNotReady if
// something must be done first. Any other error means that it could not look. home is rolecall's
// folder for clusters and images.
func Run(ctx context.Context, w io.Writer, home string) error {
	var lost error
	report := Diagnose(ctx, ThisMachine(home), func(f Finding) {
		_, err := io.WriteString(w, f.String())
		lost = errors.Join(lost, err)
	})
	if err := errors.Join(ctx.Err(), lost); err != nil {
		return fmt.Errorf("examining this machine: %w", err)
	}

	if !report.Ready() {
		fmt.Fprintln(w, "\nNot ready yet. Do what stands under [fix], then type: make doctor")
		return ErrNotReady
	}
	fmt.Fprintln(w, "\nReady. Type: make lab-1")
	return nil
}

// kindOnly are topics that matter to kind alone.
var kindOnly = []Topic{Engine, Privileged, Rootless}

// Diagnose examines a machine. tell, if not nil, hears each finding at once,
// since some take seconds.
func Diagnose(ctx context.Context, m Machine, tell func(Finding)) Report {
	var report Report
	able := false // to run labs without kind
	add := func(findings ...Finding) {
		for _, f := range findings {
			if able && f.Level == Fix && slices.Contains(kindOnly, f.Topic) {
				f.Level = Note
			}
			if m.Root {
				f.Next = withoutSudo(f.Next)
			}
			report.Findings = append(report.Findings, f)
			if tell != nil && ctx.Err() == nil { // what was cut short is no finding
				tell(f)
			}
		}
	}

	add(goCommand(ctx, m))
	pods := embeddedCluster(m)
	add(pods)
	able = pods.Level == OK
	e, found := containerEngine(ctx, m)
	add(found)
	if e == nil {
		add(space(ctx, m, "", false)...)
		return report
	}
	add(privileged(ctx, m, e.Engine))
	add(surroundings(m, e)...)
	image, present := nodeImage(ctx, m, e.Engine)
	add(image)
	add(space(ctx, m, m.DataRoot(ctx, e.Engine), present)...)
	return report
}
