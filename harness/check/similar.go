package check

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Missing is the learner's failure where a lab's folder holds none of the
// names. It names a file that was probably meant to be one of them, or else
// how to get the starter.
func (s *Submission) Missing(want, folder string, names ...string) error {
	if found, hint := s.similar(folder, names); found != "" {
		return &Failure{Want: want, Got: Printable(found, 200), Hint: hint, Slip: true}
	}
	got, hint := "no such file", fmt.Sprintf("Write %s", path.Join(folder, names[0]))
	if len(names) > 1 {
		got, hint = "neither", "Write one of the two"
	}
	if again := s.asked[folder].Again; again != "" {
		hint += "; " + again + " brings the starter back"
	}
	return &Failure{Want: want, Got: got, Hint: hint + ".", Slip: true}
}

// similar looks for a file that was probably meant to be one of the names in a
// lab's folder: in it, in a folder with nearly its name, and at the top. It
// returns what it found and what to do about it.
func (s *Submission) similar(folder string, names []string) (found, hint string) {
	type near struct {
		how    likeness
		folder string
		name   string
	}
	best := near{how: unlike}
	folders := s.folders(folder)
	for _, in := range append(folders, ".") {
		files := s.files(in)
		for _, file := range files {
			how := alike(file, names)
			switch {
			case s.asks(folder, file) && !slices.Contains(names, file):
				continue // it is another file of the lab's
			case how == sameKind && (in == "." || count(files, names) > 1):
				continue // that says too little
			}
			if how < best.how {
				best = near{how, in, file}
			}
		}
	}
	if best.how == unlike {
		return "", ""
	}
	call := names
	for _, name := range names {
		if clean(best.name) == name || path.Ext(clean(best.name)) == path.Ext(name) {
			call = []string{name}
		}
	}
	var paths []string
	for _, name := range call {
		paths = append(paths, path.Join(folder, name))
	}
	to := strings.Join(paths, " or ")
	switch extension := path.Ext(clean(best.name)); {
	case len(call) > 1 && extension != "":
		hint = fmt.Sprintf("Programs in %s are not run: write %s.", strings.TrimPrefix(extension, "."), to)
	case best.folder != folder:
		hint = "Move it to " + to + "."
	default:
		hint = "Call it " + to + "."
	}
	return path.Join(best.folder, best.name), hint
}

// likeness is how near a file's name is to one that is wanted.
type likeness int

const (
	sameName likeness = iota // but for capitals, a copy's number, or another ending of the same kind
	sameStem                 // sum.py for sum.sh
	sameKind                 // main.go for sum.go
	unlike
)

func alike(file string, names []string) likeness {
	file, how := clean(file), unlike
	for _, name := range names {
		extension := path.Ext(name)
		switch {
		case file == name:
			how = min(how, sameName)
		case strings.TrimSuffix(file, path.Ext(file)) == strings.TrimSuffix(name, extension):
			how = min(how, sameStem)
		case path.Ext(file) == extension:
			how = min(how, sameKind)
		}
	}
	return how
}

// count is how many of the files are of the kind of one of the names.
func count(files, names []string) (n int) {
	for _, file := range files {
		if alike(file, names) < unlike {
			n++
		}
	}
	return n
}

var copied = regexp.MustCompile(`^copy of |( -)? copy( \d+)?$| ?\(\d+\)$`)

// clean is a file's name without what browsers, desktops and editors add to
// one: "Sum (1).yml.txt" is sum.yaml.
func clean(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".txt")
	extension := path.Ext(name)
	stem := copied.ReplaceAllString(strings.TrimSuffix(name, extension), "")
	switch extension {
	case ".yml", ".json":
		extension = ".yaml"
	case ".bash", ".zsh", ".ksh":
		extension = ".sh"
	}
	return stem + extension
}

// folders are the lab's folder and those at the top with nearly its name:
// Lab-N, labN, lab_N, lab-N-slug.
func (s *Submission) folders(lab string) []string {
	folders := []string{lab}
	for _, entry := range s.entries(".") {
		name, want := letters(entry.Name()), letters(lab)
		rest, isLike := strings.CutPrefix(name, want)
		if isLike && entry.IsDir() && entry.Name() != lab && (rest == "" || rest[0] > '9') {
			folders = append(folders, entry.Name())
		}
	}
	return folders
}

// letters are the letters and digits of a name, in lower case.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// asks reports whether a lab asks for a file of that name in its folder.
func (s *Submission) asks(folder, name string) bool {
	return slices.ContainsFunc(s.asked[folder].Files, func(f File) bool { return slices.Contains(f.Names(), name) })
}

// files are the names of the files in a folder, in order.
func (s *Submission) files(folder string) (names []string) {
	for _, entry := range s.entries(folder) {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// entries are what is in a folder, in order; nothing where it cannot be read.
func (s *Submission) entries(folder string) []fs.DirEntry {
	entries, err := fs.ReadDir(s.root.FS(), folder)
	if err != nil {
		return nil
	}
	return entries
}
