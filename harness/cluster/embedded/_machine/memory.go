package main

import "runtime/debug"

// heapLimit is what the garbage collector works to stay below, in bytes: with
// the program's own pages the machine then stays below 500 MB.
const heapLimit = 340 << 20

// starting lets the heap grow: nearly all that is made is kept.
func starting() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
}

// settle collects garbage as usual, the limit included.
func settle() { debug.SetGCPercent(100) }
