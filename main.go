// Command rolecall checks labs on a real cluster; make calls it.
package main

import (
	"rolecall/harness/command"
	"rolecall/labs"
)

func main() { command.Main(labs.Course()) }
