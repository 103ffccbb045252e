package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkGrade is what grading by the class costs, in submissions a minute:
// grade-all on embedded clusters, handed on from one submission to the next, with
// the workers that this machine gets by itself; and, with kind in the same run, a
// kind cluster for each submission. No other cluster runs meanwhile.
func BenchmarkGrade(b *testing.B) {
	byProvider := map[string]testbed{}
	for _, bed := range testbeds(b) {
		byProvider[bed.Provider()] = bed.named(bed.Name() + "-bench")
		require.NoError(b, bed.Down(b.Context()))
	}
	b.Cleanup(func() { // for other tests
		for _, bed := range testbeds(b) {
			require.NoError(b, bed.Up(context.Background()))
		}
	})
	embedded, found := byProvider["embedded"]
	if !found {
		b.Skip("this benchmark is about the embedded cluster: run make bench")
	}
	kind, hasKind := byProvider["kind"]
	grading := func(bed testbed, words ...string) float64 {
		began := time.Now()
		out, err := bed.rolecall(b, append(words, "--out", b.TempDir())...).CombinedOutput()
		require.NoError(b, err, "%s", out)
		return time.Since(began).Minutes()
	}
	const class, alone = 30, 3
	dir := b.TempDir()
	student := func(i int) string { return filepath.Join(dir, fmt.Sprint("student-", i)) }
	for i := range class {
		require.NoError(b, fix.course.Solutions(student(i)))
	}
	var onEmbedded, onKind float64 // minutes
	for b.Loop() {
		onEmbedded += grading(embedded, "grade-all", "--submissions", dir)
		for i := range alone {
			if hasKind {
				onKind += grading(kind, "grade", "--submission", student(i))
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	perMinute := float64(class*b.N) / onEmbedded
	b.ReportMetric(perMinute, "embedded/min")
	if hasKind {
		b.ReportMetric(float64(alone*b.N)/onKind, "kind/min")
		b.ReportMetric(perMinute*onKind/float64(alone*b.N), "ratio")
	}
}
