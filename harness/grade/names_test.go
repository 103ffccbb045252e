package grade

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

// folderOf lays out a folder of submissions: files where there is a text, and
// otherwise folders.
func folderOf(t *testing.T, entries map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range entries {
		if text == "" {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// TestNames lists folders as platforms export them: one submission a student,
// the last one that was handed in, and what else there was is named.
func TestNames(t *testing.T) {
	type one struct {
		name, student, id string
		notes             []string
		unclear           bool
	}
	for platform, test := range map[string]struct {
		entries map[string]string
		want    []one
	}{
		"Moodle": {
			map[string]string{
				"Ada Lovelace_12345_assignsubmission_file_/a.zip": "x", "Ada Lovelace_12345_assignsubmission_onlinetext_/onlinetext.html": "x",
				"Bob_de_Groot_7_assignsubmission_file_work.zip": "x", "Participant_8_assignsubmission_onlinetext_onlinetext.html": "x",
				"Cyd_9_assignsubmission_file_pod.yaml": "x", "Cyd_9_assignsubmission_file_call.sh": "x",
			},
			[]one{
				{"Ada Lovelace_12345_assignsubmission_file_", "Ada Lovelace", "12345", nil, false},
				{"Bob_de_Groot_7_assignsubmission_file_work.zip", "Bob_de_Groot", "7", nil, false},
				{"Cyd_9_assignsubmission_file_call.sh", "Cyd", "9", nil, true},
				{"Participant_8_assignsubmission_onlinetext_onlinetext.html", "Participant", "8", nil, false},
			},
		},
		"Canvas": {
			map[string]string{
				"lovelaceada_12_400_work.zip": "x", "lovelaceada_12_600_work-2.zip": "x", "lovelaceada_LATE_12_500_work-10.zip": "x",
				"bob_13_401_work.zip": "x", "bob_13_402_report.pdf": "x",
			},
			[]one{
				{"bob_13_401_work.zip", "bob", "13", []string{"bob_13_402_report.pdf was left aside"}, false},
				{"lovelaceada_LATE_12_500_work-10.zip", "lovelaceada", "12", []string{
					"lovelaceada_LATE_12_500_work-10.zip was handed in later and counts; lovelaceada_12_400_work.zip does not",
					"lovelaceada_LATE_12_500_work-10.zip was handed in later and counts; lovelaceada_12_600_work-2.zip does not",
				}, false},
			},
		},
		"Gradescope": {
			map[string]string{
				"submission_1": "", "submission_2": "",
				"submission_metadata.yml": "submission_1:\n  :submitters:\n  - :name: Ada Lovelace\n    :sid: '0042'\n    :email: ada@example.org\nsubmission_2:\n  :submitters:\n  - :name: Bob\n    :sid: 77\n  - :name: Cyd\n    :sid:\n    :email: cyd@example.org\n",
			},
			[]one{{"submission_1", "Ada Lovelace", "0042", nil, false}, {"submission_2", "Bob, Cyd", "77, cyd@example.org", nil, false}},
		},
		"GitHub Classroom": {
			map[string]string{"k8s-identity-ada/.git": "", "k8s-identity-ada-2/.git": "", "k8s-identity-bob-builder/.git": ""},
			[]one{{"k8s-identity-ada", "", "ada", nil, false}, {"k8s-identity-ada-2", "", "ada-2", nil, false}, {"k8s-identity-bob-builder", "", "bob-builder", nil, false}},
		},
		"a teacher's own": {
			map[string]string{"ada.zip": "x", "ada (1).zip": "x", "bob (3).zip": "x", "cyd": "", "cyd (2)": "", "dan.pdf": "x", "roster.csv": "x", "README.md": "x", "out/gradebook.csv": "x", "cyd-progress/progress.yaml": "version: 1\n"},
			[]one{
				{"ada (1).zip", "", "", []string{"ada (1).zip was handed in later and counts; ada.zip does not"}, false},
				{"bob (3).zip", "", "", nil, false}, {"cyd", "", "", nil, false}, {"cyd (2)", "", "", nil, false}, {"dan.pdf", "", "", nil, false},
			},
		},
	} {
		t.Run(platform, func(t *testing.T) {
			dir := folderOf(t, test.entries)
			submissions, _, err := List(dir, taker)
			require.NoError(t, err)
			var got []one
			for _, s := range submissions {
				assert.Equal(t, filepath.Join(dir, s.Name), s.Path)
				got = append(got, one{s.Name, s.Student, s.ID, s.Notes, s.Unclear != nil})
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestASubmissionIsNoClass(t *testing.T) {
	for _, name := range []string{"lab-1", "pod.yaml"} {
		dir := folderOf(t, map[string]string{"notes": "", name: ""})
		_, _, err := List(dir, taker)
		require.ErrorContains(t, err, "is one submission, for it holds "+name)
		assert.Contains(t, next.Of(err), "make grade SUBMISSION="+dir)
	}
}

// TestRosters reads lists of students as platforms export them.
func TestRosters(t *testing.T) {
	for platform, text := range map[string]string{
		"our own":          "id,student\n7,Ada Lovelace\n8,Bob\n",
		"Moodle worksheet": "Identifier,\"Full name\",\"Email address\",Grade\n\"Participant 7\",\"Ada Lovelace\",ada@example.org,\n\"Participant 8\",Bob,bob@example.org,\n",
		"Moodle list":      "\ufeff\"First name\",\"Last name\",\"ID number\",\"Email address\"\nAda,Lovelace,7,ada@example.org\n,Bob,8,bob@example.org\n",
		"Canvas":           "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\nAda Lovelace,7,s-7,ada,1\nBob,8,s-8,bob,1\n",
		"Gradescope":       "First Name;Last Name;SID;Email\nAda;Lovelace;7;ada@example.org\nBob;;8;bob@example.org\n",
		"GitHub Classroom": "\"identifier\",\"github_username\",\"github_id\",\"name\"\n\"7\",\"ada-l\",\"1\",\"Ada Lovelace\"\n\"8\",\"bob\",\"2\",\"Bob\"\n",
	} {
		t.Run(platform, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "roster.csv")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			roster, err := ReadRoster(file)
			require.NoError(t, err)
			require.Len(t, roster, 2)
			assert.Equal(t, []string{"Ada Lovelace", "Bob"}, []string{roster[0].Name, roster[1].Name})
			assert.Equal(t, []string{"7", "8"}, []string{roster[0].IDs[0], roster[1].IDs[0]})
		})
	}
	for says, text := range map[string]string{
		"no column of its heading (class, mark) is an id": "class,mark\nA,1\n",
		"lines 2 and 4 have the same id A@x":              "email,name\na@x,Ada\nb@x,Bob\nA@x,Eve\n",
		"no column of its heading () is an id":            "",
	} {
		file := filepath.Join(t.TempDir(), "roster.csv")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := ReadRoster(file)
		assert.ErrorContains(t, err, says)
	}
	_, err := ReadRoster(filepath.Join(t.TempDir(), "nowhere"))
	assert.Contains(t, next.Of(err), "ROSTER=file")
}

// TestEnrol finds students by id, or else by a name that only one has.
func TestEnrol(t *testing.T) {
	roster := Roster{{"Lovelace, Ada", []string{"7", "ada@example.org"}}, {"Bob", []string{"8"}}, {"Cyd", []string{"9"}}, {"Twin", []string{"10"}}, {"Twin", []string{"11"}}}
	submissions := []Submission{{Name: "lovelaceada_1_2_x.zip", Student: "lovelaceada", ID: "1"}, {Name: "bob.zip"}, {Name: "9"}, {Name: "eve"}, {Name: "Twin"}}
	missing, strangers := roster.Enrol(submissions)
	assert.Equal(t, []string{"Lovelace, Ada", "Bob", "Cyd", "", ""}, []string{submissions[0].Student, submissions[1].Student, submissions[2].Student, submissions[3].Student, submissions[4].Student})
	assert.Equal(t, []string{"1", "8", "9"}, []string{submissions[0].ID, submissions[1].ID, submissions[2].ID})
	assert.Equal(t, Roster{roster[3], roster[4]}, Roster(missing))
	assert.Equal(t, []string{"eve", "Twin"}, strangers)
}
