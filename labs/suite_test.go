// The course as a Go test suite, on the reference solutions or a submission:
//
//	go test ./labs -run 'TestLab/3$' -args -submission ../work -results ../out
package labs_test

import (
	"testing"

	"rolecall/harness/suite"
	"rolecall/labs"
)

var course = suite.New(labs.Course())

func TestMain(m *testing.M) { course.Main(m) }

// TestLab is each lab by itself: TestLab/3 is lab 3.
func TestLab(t *testing.T) { course.Labs(t) }

// TestWalkthrough is all labs of the walkthrough on one submission, and the story.
func TestWalkthrough(t *testing.T) { course.Part(t, "walkthrough") }
