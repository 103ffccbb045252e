package check

// Form is what a file of a submission must be.
type Form int

// The forms of files.
const (
	ManifestFile Form = iota // Kubernetes objects, YAML or JSON
	ProgramFile              // a shell script or a Go program: Name has no extension, name.sh or name.go is handed in
	AnswersFile              // a flat map of strings in YAML
	KeyFile                  // a private key in PEM
)

// File is one file that a lab asks for.
type File struct {
	Name     string // in the lab's folder
	Form     Form
	Optional bool
}

// Names are the names under which the file may be handed in.
func (f File) Names() []string {
	if f.Form == ProgramFile {
		return []string{f.Name + ".sh", f.Name + ".go"}
	}
	return []string{f.Name}
}
