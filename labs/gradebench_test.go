package labs_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall/labs"
)

// BenchmarkGrade is what grading by the class costs, in submissions a minute:
// grade-all on embedded clusters, each submission on one of its own, with the
// workers that this machine gets by itself; and, with kind in the same run, a
// kind cluster for each submission. No other cluster runs meanwhile.
func BenchmarkGrade(b *testing.B) {
	var kinds []string
	for _, v := range gateVenues(b) {
		kinds = append(kinds, v.kind)
		if v.kind != "existing" {
			require.NoError(b, v.Down(b.Context()))
		}
	}
	if !slices.Contains(kinds, "embedded") {
		b.Skip("this benchmark is about the embedded cluster; type make bench BESIDE=embedded")
	}
	command := build(b)
	grading := func(args ...string) float64 {
		began := time.Now()
		out, err := exec.Command(command, append(args, "-name", wish.Name+"-bench", "-home", wish.Home, "-out", b.TempDir())...).CombinedOutput()
		require.NoError(b, err, "%s", out)
		return time.Since(began).Minutes()
	}
	const class, alone = 30, 3
	dir := b.TempDir()
	for i := range class {
		require.NoError(b, labs.Solutions(filepath.Join(dir, fmt.Sprint("student-", i))))
	}
	var embedded, kind float64 // minutes
	for b.Loop() {
		embedded += grading("grade-all", "-submissions", dir, "-cluster", "embedded")
		if slices.Contains(kinds, "kind") {
			for i := range alone {
				kind += grading("grade", "-submission", filepath.Join(dir, fmt.Sprint("student-", i)), "-cluster", "kind")
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	perMinute := float64(class*b.N) / embedded
	b.ReportMetric(perMinute, "embedded/min")
	if kind > 0 {
		b.ReportMetric(float64(alone*b.N)/kind, "kind/min")
		b.ReportMetric(perMinute*kind/float64(alone*b.N), "ratio")
	}
}
