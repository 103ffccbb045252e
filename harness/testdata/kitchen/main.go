// Command kitchen is rolecall with another course: what is behind harness must
// not matter to it.
package main

import (
	"rolecall/harness/command"
	"rolecall/harness/testdata/kitchen/course"
)

func main() { command.Main(course.Kitchen()) }
