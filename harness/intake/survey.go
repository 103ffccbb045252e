package intake

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rolecall/harness"
)

// survey is where in a submission labs may be.
type survey struct {
	*Intake
	entries    []entry
	name       string // of what was handed in
	top        string // the folder that everything is in; "" is the top itself
	candidates []candidate
	courses    string // the course's own folder, as it is in a checkout
}

// candidate is a folder that may be a lab's.
type candidate struct {
	lab    harness.Lab
	folder string
	exact  bool // it has the very name
	asked  bool // it holds a file that the lab asks for, if it asks for any
}

// labLike is a name that begins as a lab's does: Lab-1, lab_01, "lab 1 - pod".
var labLike = regexp.MustCompile(`(?i)^lab[^a-z0-9]*0*([1-9][0-9]{0,3})(?:[^0-9].*)?$`)

// like is the lab that a name means.
func (i *Intake) like(name string) (harness.Lab, bool) {
	number := labLike.FindStringSubmatch(name)
	if number == nil {
		return harness.Lab{}, false
	}
	at := slices.IndexFunc(i.wanted, func(lab harness.Lab) bool { return strconv.Itoa(lab.Number) == number[1] })
	if at < 0 {
		return harness.Lab{}, false
	}
	return i.wanted[at], true
}

// IsLab reports whether a name is that of a lab's folder, or of a file that a lab
// asks for.
func (i *Intake) IsLab(name string) bool {
	for _, lab := range i.wanted {
		if name == lab.Folder() || asks(lab, name) {
			return true
		}
	}
	return false
}

// survey looks for folders of labs.
func (i *Intake) survey(name string, entries []entry) survey {
	s := survey{Intake: i, entries: entries, name: name}
	s.top = s.wrapper()
	o := outlined(entries)
	for _, folder := range o.folders() {
		lab, like := i.like(Stem(path.Base(folder)))
		if !like && o.archives[folder] { // in a lab's folder it is that lab's
			lab, like = i.like(path.Base(parent(folder)))
		}
		in := o.children[folder]
		switch {
		case !like || s.courses != "" && strings.HasPrefix(folder, s.courses+"/") && parent(folder) != s.courses:
		case path.Base(folder) == i.course.Dir(lab) && (in["starter"] || in["solution"]):
			s.courses = parent(folder)
		default:
			s.candidates = append(s.candidates, candidate{
				lab: lab, folder: folder, exact: path.Base(folder) == lab.Folder(),
				asked: len(lab.Files) == 0 || slices.ContainsFunc(slices.Collect(maps.Keys(in)), func(name string) bool { return asks(lab, name) }),
			})
		}
	}
	if len(s.candidates) > maxPlaces {
		return s
	}
	all := s.candidates
	s.candidates = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
		return slices.ContainsFunc(all, func(other candidate) bool {
			if other.lab.Number != c.lab.Number || other.folder == c.folder {
				return false
			}
			_, inside := below(other.folder, c.folder)
			return inside && !o.files[c.folder] || other.asked && !c.asked && !c.exact // a folder around it, or one of notes
		})
	})
	return s
}

// outline is what is in which folder.
type outline struct {
	children map[string]map[string]bool // names by folder
	files    map[string]bool            // folders that hold a file
	archives map[string]bool            // that were opened
	named    []string                   // what has a lab's name; it may be empty, or no folder
}

func outlined(entries []entry) outline {
	o := outline{map[string]map[string]bool{}, map[string]bool{}, map[string]bool{}, nil}
	for _, e := range entries {
		if hidden(e.name) {
			continue
		}
		o.archives[e.name] = e.dir && e.packed != nil
		if !e.dir {
			o.files[parent(e.name)] = true
		}
		if base := path.Base(e.name); labLike.MatchString(base) && (e.dir || stray.MatchString(base)) {
			o.named = append(o.named, e.name)
		}
		for name := e.name; name != ""; name = parent(name) {
			in := parent(name)
			if o.children[in][path.Base(name)] {
				break
			}
			if o.children[in] == nil {
				o.children[in] = map[string]bool{}
			}
			o.children[in][path.Base(name)] = true
		}
	}
	return o
}

// folders are those that hold something or have a lab's name, in order.
func (o outline) folders() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(slices.Clone(o.named), maps.Keys(o.children)))))
}

// parent is the folder that a name is in; "" is the top.
func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// wrapper is the folder that all files are in.
func (s survey) wrapper() (top string) {
	for {
		next, several := "", false
		for _, e := range s.entries {
			rest, inside := below(e.name, top)
			if !inside || hidden(rest) {
				continue
			}
			first, _, deeper := strings.Cut(rest, "/")
			if !deeper && !e.dir {
				several = true // a file
			}
			several = several || next != "" && next != first
			next = first
		}
		if _, lab := s.like(Stem(next)); several || next == "" || lab {
			return top
		}
		top = path.Join(top, next)
	}
}

// complete reports whether every lab was found, with a file that it asks for.
func (s survey) complete() bool {
	for _, lab := range s.wanted {
		if !slices.ContainsFunc(s.candidates, func(c candidate) bool { return c.lab.Number == lab.Number && c.asked }) {
			return false
		}
	}
	return true
}

// inLab reports whether a name is in the folder of a lab that was found.
func (s survey) inLab(name string) bool {
	return slices.ContainsFunc(s.candidates, func(c candidate) bool { _, inside := below(name, c.folder); return inside && c.asked })
}

// choose returns the one reading of what was handed in; one without labs where
// there are none.
func (s survey) choose() (r reading, err error) {
	switch {
	case len(s.candidates) == 0:
		return s.loose()
	case len(s.candidates) > maxPlaces:
		return r, refuse("Look at it by hand.", "it holds folders of labs in more than %d places", maxPlaces)
	}
	chosen, note, err := s.sets()
	if err != nil {
		return r, err
	}
	if note != "" {
		r.notes = append(r.notes, note)
	}
	var found, taken, aside []string
	for _, lab := range s.wanted {
		of := slices.DeleteFunc(slices.Clone(chosen), func(c candidate) bool { return c.lab.Number != lab.Number })
		if exact := slices.IndexFunc(of, func(c candidate) bool { return c.exact }); exact >= 0 {
			for _, c := range slices.Delete(slices.Clone(of), exact, exact+1) {
				aside = append(aside, shown(c.folder))
			}
			of = of[exact : exact+1]
		}
		if len(of) > 1 {
			return r, refuse("Look which of the two is meant, and remove the other.", "both %s and %s may be %s", shown(of[0].folder), shown(of[1].folder), lab.Folder())
		}
		for _, c := range of {
			if !c.exact {
				found, taken = append(found, shown(path.Base(c.folder))), append(taken, lab.Folder())
			}
			if err := r.place(lab, c.folder, s.entries); err != nil {
				return r, err
			}
		}
	}
	if len(found) > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%s taken as %s", was(found), listed(taken)))
	}
	if len(aside) > 0 {
		r.leave(aside)
	}
	s.strays(chosen, &r)
	return r, s.beside(&r)
}

// beside takes files at the top that only a lab asks for which has no folder.
func (s survey) beside(r *reading) error {
	var taken []string
	for _, e := range s.entries {
		if e.dir || hidden(e.name) || parent(e.name) != s.top {
			continue
		}
		labs, name := s.forLabs(path.Base(e.name))
		if len(labs) != 1 || slices.ContainsFunc(s.candidates, func(c candidate) bool { return c.lab.Number == labs[0].Number }) {
			continue
		}
		if !slices.Contains(r.folders, labs[0].Folder()) {
			r.folders = append(r.folders, labs[0].Folder())
		}
		to := path.Join(labs[0].Folder(), name)
		taken = append(taken, to)
		if err := r.add(e, to); err != nil {
			return err
		}
	}
	if len(taken) > 0 {
		slices.Sort(taken)
		r.notes = append(r.notes, fmt.Sprintf("files at the top were taken as %s", listed(taken)))
	}
	return nil
}

func was(names []string) string {
	if len(names) > 1 {
		return listed(names) + " were"
	}
	return listed(names) + " was"
}

// sets are the candidates that count, where several folders hold labs: all of
// them if no lab is there twice; those at the top if the others are copies of
// them.
func (s survey) sets() (chosen []candidate, note string, err error) {
	var around []string
	for _, c := range s.candidates {
		if in := parent(c.folder); !slices.Contains(around, in) {
			around = append(around, in)
		}
	}
	if len(around) == 1 {
		return s.candidates, s.place(around[0]), nil
	}
	labs := func(folder string) (numbers []int) {
		for _, c := range s.candidates {
			if parent(c.folder) == folder {
				numbers = append(numbers, c.lab.Number)
			}
		}
		return numbers
	}
	for x, folder := range around {
		for _, other := range around[x+1:] {
			common := slices.ContainsFunc(labs(folder), func(n int) bool { return slices.Contains(labs(other), n) })
			if !common {
				continue
			}
			top := labs(s.top)
			var aside []string
			for _, c := range s.candidates {
				in := parent(c.folder)
				if !slices.Contains(top, c.lab.Number) {
					return nil, "", refuse("Look which of them is meant, and remove the others.", "it holds labs in %d folders, %s and %s among them", len(around), s.called(folder), s.called(other))
				}
				if in == s.top {
					chosen = append(chosen, c)
				} else if !slices.Contains(aside, shown(in)) {
					aside = append(aside, shown(in))
				}
			}
			return chosen, fmt.Sprintf("%s left aside: the labs at the top count", was(abridged(aside))), nil
		}
	}
	var names []string
	for _, folder := range around {
		names = append(names, s.called(folder))
	}
	return s.candidates, fmt.Sprintf("the labs were found in %s", listed(abridged(names))), nil
}

// called is a folder in a sentence.
func (s survey) called(folder string) string {
	if folder == "" || folder == s.top {
		return "the top"
	}
	return shown(folder)
}

// place notes where the labs were found, where that is not at the top or in one
// folder.
func (s survey) place(folder string) string {
	for _, e := range s.entries {
		if !e.dir || e.packed == nil {
			continue
		}
		if rest, inside := below(folder+"/", e.name); inside {
			if rest == "" {
				return fmt.Sprintf("%s was unpacked", shown(e.name))
			}
			return fmt.Sprintf("%s was unpacked; the labs were found in %s", shown(e.name), shown(strings.TrimSuffix(rest, "/")))
		}
	}
	if strings.Contains(folder, "/") {
		return fmt.Sprintf("the labs were found in %s", shown(folder))
	}
	return ""
}

// strays notes lab folders beside those that count which the course does not
// have. Labs of the course that are not asked for are passed over.
func (s survey) strays(chosen []candidate, r *reading) {
	var strays []string
	for _, e := range s.entries {
		for _, c := range chosen {
			rest, inside := below(e.name, parent(c.folder))
			first, _, _ := strings.Cut(rest, "/")
			if inside && stray.MatchString(first) && !slices.Contains(folders(s.course.Labs), first) && !slices.Contains(strays, first) {
				strays = append(strays, first)
			}
		}
	}
	if len(strays) > 0 {
		slices.Sort(strays)
		r.notes = append(r.notes, fmt.Sprintf("%s left aside: this course has %s", was(abridged(strays)), Folders(s.course.Labs)))
	}
}

// stray is the name of a folder that would be a lab's, were there such a lab.
var stray = regexp.MustCompile(`^lab-[0-9]{1,4}$`)

// loose reads files at the top, or in an archive there, where there are no lab
// folders and the files' names say which lab they are for.
func (s survey) loose() (r reading, err error) {
	var taken, unclear []string
	in, archives := "", map[string]bool{}
	for _, e := range s.entries {
		archives[e.name] = e.dir && e.packed != nil
	}
	for _, e := range s.entries {
		if e.dir || hidden(e.name) || s.courses != "" || parent(e.name) != s.top && !archives[parent(e.name)] {
			continue
		}
		labs, name := s.forLabs(path.Base(e.name))
		switch {
		case len(labs) == 0:
			continue
		case len(taken)+len(unclear) > 0 && parent(e.name) != in:
			return r, refuse("Look which of them are meant, and put them into the labs' folders.", "it has no lab folders, and files of labs in %s and %s", s.called(in), s.called(parent(e.name)))
		}
		in = parent(e.name)
		if len(labs) > 1 {
			unclear = append(unclear, fmt.Sprintf("%s may be for %s", shown(path.Base(e.name)), strings.Join(folders(labs), " or ")))
			continue
		}
		to := path.Join(labs[0].Folder(), name)
		taken = append(taken, to)
		if err := r.add(e, to); err != nil {
			return r, err
		}
		if !slices.Contains(r.folders, labs[0].Folder()) {
			r.folders = append(r.folders, labs[0].Folder())
		}
	}
	if len(unclear) > 0 {
		return r, refuse("Ask whose it is, and put the files into folders of the labs' names.", "it has no lab folders, and %s", listed(abridged(unclear)))
	}
	if len(taken) > 0 {
		slices.Sort(taken)
		slices.Sort(r.folders)
		if note := s.place(in); note != "" {
			r.notes = append(r.notes, note)
		}
		r.notes = append(r.notes, fmt.Sprintf("there are no lab folders; the files were taken as %s", listed(taken)))
	}
	return r, nil
}

// forLabs are the labs that a file at the top may be for, and its name there:
// those that ask for it. A number in its name, or in that of the submission,
// decides.
func (s survey) forLabs(file string) (labs []harness.Lab, name string) {
	if lab, like := s.like(file); like {
		if of := prefixed.FindStringSubmatch(file); of != nil && meant(lab, of[1]) {
			return []harness.Lab{lab}, of[1]
		}
	}
	for _, lab := range s.wanted {
		if meant(lab, file) {
			labs = append(labs, lab)
		}
	}
	if own, like := s.like(Stem(s.name)); like && slices.ContainsFunc(labs, func(lab harness.Lab) bool { return lab.Number == own.Number }) {
		labs = []harness.Lab{own}
	}
	return labs, file
}

// prefixed is a file's name after its lab's.
var prefixed = regexp.MustCompile(`(?i)^lab[^a-z0-9]*[0-9]+[^a-z0-9]+(.+)$`)

// meant reports whether a file is, but for its ending or capitals, one that a lab
// asks for. What the check says of the name is for its learner.
func meant(lab harness.Lab, file string) bool {
	file = strings.TrimSuffix(strings.ToLower(file), ".txt")
	if before, yml := strings.CutSuffix(file, ".yml"); yml {
		file = before + ".yaml"
	}
	return asks(lab, file)
}
