package intake

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rolecall/harness"
	"rolecall/harness/check"
)

// reading is how a submission is understood.
type reading struct {
	folders []string // of the labs that were handed in
	files   []placed
	notes   []string
	text    string // digest of the files, white space aside

	names, around map[string]bool // of the files, and of the folders that they are in
}

// placed is a file and its name in the submission as it is graded.
type placed struct {
	entry
	to string
}

// read finds the labs in what was handed in under a name. Archives inside are
// opened, one level deep, where the labs are not all there without.
func (i *Intake) read(name string, u *unpacker) (reading, error) {
	s := i.survey(name, u.entries)
	if !slices.ContainsFunc(u.entries, func(e entry) bool { return !e.dir && !slices.ContainsFunc(strings.Split(e.name, "/"), litter) }) {
		return reading{}, &Refusal{Reason: "nothing was handed in: it holds no file", Next: "Nothing, if that is so; otherwise ask for the work.", Nothing: true}
	}
	var closed []trouble
	if !s.complete() && len(s.candidates) <= maxPlaces {
		var err error
		if closed, err = i.unpackInner(u, s); err != nil {
			return reading{}, err
		}
		s = i.survey(name, u.entries)
	}
	r, err := s.choose()
	if err != nil {
		return r, err
	}
	if len(r.folders) == 0 {
		return r, s.nothing(closed)
	}
	for _, t := range closed {
		if lab, like := i.like(path.Base(t.name)); like && !slices.Contains(r.folders, lab.Folder()) {
			return r, refuse(t.why.Next, "%s, perhaps %s, cannot be opened: %s", shown(t.name), lab.Folder(), t.why.Reason)
		}
		r.notes = append(r.notes, fmt.Sprintf("%s was not opened: %s", shown(t.name), t.why.Reason))
	}
	return r, nil
}

// trouble is an archive inside that cannot be opened.
type trouble struct {
	name string
	why  *Refusal
}

// unpackInner lists the archives inside, below their names.
func (i *Intake) unpackInner(u *unpacker, s survey) (closed []trouble, err error) {
	inner := 0
	for n, e := range slices.Clone(u.entries) {
		if e.dir || e.packed == nil || !IsArchive(e.name) || s.inLab(e.name) || hidden(e.name) {
			continue
		}
		if inner++; inner > maxInner {
			return nil, refuse(askFor(i.labs), "it holds more than %d archives", maxInner)
		}
		before := len(u.entries)
		file, size, err := e.packed()
		if err == nil {
			err = u.unpack(e.name, path.Base(e.name), file, size)
		}
		switch why, refused := AsRefusal(err); {
		case refused:
			u.entries = u.entries[:before]
			closed = append(closed, trouble{e.name, why})
		case err != nil:
			return nil, err
		default:
			u.entries[n].dir = true
		}
	}
	return closed, nil
}

// hidden reports whether a name is below something that desktops and tools
// leave, or that begins with a dot.
func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return litter(part) || strings.HasPrefix(part, ".") && part != "." && part != ".."
	})
}

// nothing is why no lab was found.
func (s survey) nothing(closed []trouble) error {
	var names []string
	for _, e := range s.entries {
		if top, _, _ := strings.Cut(e.name, "/"); !hidden(top) && !slices.Contains(names, shown(top)) {
			names = append(names, shown(top))
		}
	}
	slices.Sort(names)
	switch {
	case len(closed) > 0:
		return refuse(closed[0].why.Next, "%s inside cannot be opened: %s", shown(closed[0].name), closed[0].why.Reason)
	case s.courses != "":
		return refuse("Look whether the work was done there, in starter/, and move it to folders of the labs' names; or ask for work/.",
			"it holds the course's own folder %s and no work", shown(s.courses))
	}
	return refuse(askFor(s.labs), "it holds no lab folder (%s), but %s", s.labs, listed(abridged(names)))
}

// abridged are the first of many names, and how many more.
func abridged(names []string) []string {
	if more := len(names) - maxNamed; more > 0 {
		return append(slices.Clone(names[:maxNamed]), fmt.Sprintf("%d more", more))
	}
	return names
}

// place takes the files of one lab from a folder.
func (r *reading) place(lab harness.Lab, folder string, entries []entry) error {
	for _, e := range entries {
		if e.name == folder && !e.dir { // its check says that it is no folder
			return r.add(e, lab.Folder())
		}
	}
	r.folders = append(r.folders, lab.Folder())
	var aside []string
	for _, e := range entries {
		rest, inside := below(e.name, folder)
		if !inside || e.dir || litter(path.Base(e.name)) || slices.ContainsFunc(strings.Split(path.Dir(rest), "/"), litter) {
			continue
		}
		to := path.Join(lab.Folder(), rest)
		switch {
		case !decent(rest):
			aside = append(aside, shown(to)+" (an odd name)")
		case e.size > check.MaxFile && !asks(lab, rest):
			aside = append(aside, fmt.Sprintf("%s (%d MB)", shown(to), e.size>>20))
		default:
			if err := r.add(e, to); err != nil {
				return err
			}
		}
	}
	if len(aside) > 0 {
		r.leave(aside)
	}
	return nil
}

// leave notes what was left aside.
func (r *reading) leave(names []string) {
	were := "was"
	if len(names) > 1 {
		were = "were"
	}
	r.notes = append(r.notes, fmt.Sprintf("%s %s left aside", listed(abridged(names)), were))
}

// add takes a file, unless its name is taken.
func (r *reading) add(e entry, to string) error {
	if e.odd != "" {
		next := "Ask for it again, with the file itself in its place."
		if strings.HasPrefix(e.odd, "encrypted") {
			next = "Ask for the password, or for an archive without one."
		}
		return refuse(next, "%s is %s", shown(to), e.odd)
	}
	if r.names == nil {
		r.names, r.around = map[string]bool{}, map[string]bool{}
	}
	clash := r.names[to] || r.around[to]
	r.names[to] = true
	for folder := parent(to); folder != ""; folder = parent(folder) {
		clash = clash || r.names[folder]
		r.around[folder] = true
	}
	if clash {
		return refuse("Look which of the two is meant.", "it holds %s twice, or as a file and as a folder", shown(to))
	}
	r.files = append(r.files, placed{e, to})
	return nil
}

// below is what a name is below a folder; "" is the top.
func below(name, folder string) (rest string, inside bool) {
	if folder == "" {
		return name, true
	}
	return strings.CutPrefix(name, folder+"/")
}

// asks reports whether a lab asks for a file.
func asks(lab harness.Lab, name string) bool {
	return slices.ContainsFunc(lab.Files, func(f check.File) bool { return slices.Contains(f.Names(), name) })
}

// decent reports whether a name is one that a lab could ask for and that does
// not mislead a reader.
func decent(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) <= maxDepth && !slices.ContainsFunc(parts, func(part string) bool {
		return len(part) > maxName || !utf8.ValidString(part) || strings.ContainsFunc(part, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' })
	})
}

// content reads a file of the labs.
func (p placed) content(room *int64, to io.Writer) error {
	if p.target != "" {
		_, err := io.WriteString(to, p.target)
		return err
	}
	content, err := p.open()
	if err != nil {
		return err
	}
	return errors.Join(spend(to, content, room), content.Close())
}
