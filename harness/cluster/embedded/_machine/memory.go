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

// settle collects garbage when there is twice as much as what is used, or at
// the limit: the start has taken that much memory anyway.
func settle() { debug.SetGCPercent(200) }
