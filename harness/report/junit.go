package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"rolecall/harness"
)

// junitSuites is the root of a JUnit XML file. A failure is the learner's, an
// error is ours, skipped is a check that builds on one that did not
// pass.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

// junitSuite is one lab.
type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
	SystemErr string      `xml:"system-err,omitempty"` // of a clean-up that failed
}

// junitCase is one check.
type junitCase struct {
	Name       string           `xml:"name,attr"`
	Class      string           `xml:"classname,attr"`
	File       string           `xml:"file,attr,omitempty"` // where a failure is; GitLab and others link to it
	Line       int              `xml:"line,attr,omitempty"`
	Time       string           `xml:"time,attr"`
	Properties *junitProperties `xml:"properties,omitempty"`
	Failure    *junitMessage    `xml:"failure,omitempty"`
	Error      *junitMessage    `xml:"error,omitempty"`
	Skipped    *junitMessage    `xml:"skipped,omitempty"`
}

// junitProperties carry the points, which JUnit has no field for.
type junitProperties struct {
	Properties []junitProperty `xml:"property"`
}

// junitProperty is one name and its value.
type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// junitMessage says why a case did not pass.
type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// junit is the result as JUnit XML.
func junit(r *harness.Result) junitSuites {
	all := junitSuites{Name: "rolecall", Time: seconds(r.DurationMs)}
	if r.Review != nil { // one error, not a failure of each check: those are skipped
		all.Tests, all.Errors = 1, 1
		all.Suites = append(all.Suites, junitSuite{
			Name: "submission", Tests: 1, Errors: 1, Time: seconds(0), Timestamp: timestamp(r),
			Cases: []junitCase{{
				Name: "submission.graded", Class: "rolecall.submission", Time: seconds(0),
				Error: &junitMessage{Message: OneLine(r.Review.Reason, maxLine), Type: string(r.Outcome), Text: strings.Join(Asides(r), "\n")},
			}},
		})
	}
	for _, lab := range r.Labs {
		suite := junitSuite{Name: lab.Slug, Time: seconds(lab.DurationMs), Timestamp: timestamp(r)}
		for _, c := range lab.Checks {
			suite.Cases = append(suite.Cases, newJUnitCase(lab.Slug, c))
			suite.Tests++
			switch c.Outcome {
			case harness.Fail:
				suite.Failures++
			case harness.Error:
				suite.Errors++
			case harness.Skipped:
				suite.Skipped++
			}
		}
		if lab.Cleanup != "" {
			suite.SystemErr = OneLine(notClean+": "+lab.Cleanup, maxLine)
		}
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	return all
}

func newJUnitCase(slug string, c harness.CheckResult) junitCase {
	out := junitCase{
		Name: c.ID, Class: "rolecall." + slug, File: c.Position.File, Line: c.Position.Line, Time: seconds(c.DurationMs),
		Properties: &junitProperties{[]junitProperty{
			{"points", fmt.Sprint(c.Points)}, {"max_points", fmt.Sprint(c.MaxPoints)},
		}},
	}
	switch c.Outcome {
	case harness.Fail:
		out.Failure = &junitMessage{Message: OneLine(c.Got, maxLine), Type: c.ID, Text: Explain(c)}
	case harness.Error:
		out.Error = &junitMessage{Message: OneLine(c.Error, maxLine), Type: "could not check", Text: Explain(c)}
	case harness.Skipped:
		out.Skipped = &junitMessage{Message: OneLine(c.Error, maxLine)}
	}
	return out
}

func timestamp(r *harness.Result) string { return r.StartedAt.UTC().Format("2006-01-02T15:04:05") }

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }
