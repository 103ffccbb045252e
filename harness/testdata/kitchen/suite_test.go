package main

import (
	"testing"

	"rolecall/harness/suite"
	"rolecall/harness/testdata/kitchen/course"
)

var kitchen = suite.New(course.Kitchen())

func TestMain(m *testing.M) { kitchen.Main(m) }

func TestLab(t *testing.T) { kitchen.Labs(t) }
