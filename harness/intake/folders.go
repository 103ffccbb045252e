package intake

import (
	"regexp"
	"slices"
	"strings"

	"rolecall/harness"
)

// labLike is a folder that would be a lab's, were there such a lab.
var labLike = regexp.MustCompile(`^lab-[0-9]{1,4}$`)

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

// wanted reports whether a folder is that of a lab which is taken in.
func (i *Intake) wanted(folder string) bool { return slices.Contains(i.folders, folder) }

// stray reports whether a folder looks like a lab's and the course has no such
// lab. Labs of the course that are not asked for are passed over.
func (i *Intake) stray(folder string) bool {
	return labLike.MatchString(folder) && !slices.Contains(folders(i.course.Labs), folder)
}
