package intake

import (
	"slices"
	"strings"

	"rolecall/harness"
)

// Folders names the folders of labs for a sentence: "lab-N to lab-M", or them all
// where numbers are missing. The story over several labs has none.
func Folders(labs []harness.Lab) string {
	labs = slices.DeleteFunc(slices.Clone(labs), func(l harness.Lab) bool { return l.Number == 0 })
	names := folders(labs)
	if last := len(names) - 1; last > 1 && labs[last].Number-labs[0].Number == last {
		return names[0] + " to " + names[last]
	}
	return listed(names)
}

// listed is "a", "a and b", or "a, b and c".
func listed(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// folders are the names of the labs' folders.
func folders(labs []harness.Lab) (names []string) {
	for _, lab := range labs {
		if lab.Number > 0 {
			names = append(names, lab.Folder())
		}
	}
	return names
}
