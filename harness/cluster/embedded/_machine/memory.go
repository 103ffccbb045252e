package main

import "runtime/debug"

// heapLimit is what the garbage collector works to stay below, in bytes: with
// the program's own pages the machine then stays below 500 MB.
const heapLimit = 340 << 20

// starting lets the heap grow while nearly all that is made is kept.
func starting() { debug.SetGCPercent(400) }

// settle gives back what the start has used, and collects more often from then
// on: the machine must leave memory to its pods.
func settle() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(heapLimit)
	go debug.FreeOSMemory()
}
