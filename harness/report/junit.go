package report

import (
	"encoding/xml"
	"fmt"

	"rolecall/harness"
)

// JUnitSuites is the root of a JUnit XML file. A failure is the learner's, an
// error is ours, skipped is a check whose ground was missing.
type JUnitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []JUnitSuite `xml:"testsuite"`
}

// JUnitSuite is one step.
type JUnitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []JUnitCase `xml:"testcase"`
}

// JUnitCase is one check.
type JUnitCase struct {
	Name       string           `xml:"name,attr"`
	Class      string           `xml:"classname,attr"`
	Time       string           `xml:"time,attr"`
	Properties *JUnitProperties `xml:"properties,omitempty"`
	Failure    *JUnitMessage    `xml:"failure,omitempty"`
	Error      *JUnitMessage    `xml:"error,omitempty"`
	Skipped    *JUnitMessage    `xml:"skipped,omitempty"`
}

// JUnitProperties carry the points, which JUnit has no field for.
type JUnitProperties struct {
	Properties []JUnitProperty `xml:"property"`
}

// JUnitProperty is one name and its value.
type JUnitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// JUnitMessage says why a case did not pass.
type JUnitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit is the result as JUnit XML.
func JUnit(r *harness.Result) JUnitSuites {
	all := JUnitSuites{Name: "rolecall", Time: seconds(r.DurationMs)}
	for _, step := range r.Steps {
		suite := JUnitSuite{Name: step.Slug, Time: seconds(step.DurationMs), Timestamp: r.StartedAt.UTC().Format("2006-01-02T15:04:05")}
		for _, c := range step.Checks {
			suite.Cases = append(suite.Cases, junitCase(step.Slug, c))
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
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	return all
}

func junitCase(slug string, c harness.CheckResult) JUnitCase {
	out := JUnitCase{
		Name: c.ID, Class: "rolecall." + slug, Time: seconds(c.DurationMs),
		Properties: &JUnitProperties{[]JUnitProperty{
			{"points", fmt.Sprint(c.Points)}, {"max_points", fmt.Sprint(c.MaxPoints)},
		}},
	}
	switch c.Outcome {
	case harness.Fail:
		out.Failure = &JUnitMessage{Message: OneLine(c.Got, maxLine), Type: c.ID, Text: Explain(c)}
	case harness.Error:
		out.Error = &JUnitMessage{Message: OneLine(c.Error, maxLine), Type: "could not check"}
	case harness.Skipped:
		out.Skipped = &JUnitMessage{Message: OneLine(c.Error, maxLine)}
	}
	return out
}

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }
