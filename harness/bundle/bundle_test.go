package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/next"
)

var (
	goName      = "go-" + runtime.GOOS + "-" + runtime.GOARCH + ".tar.zst"
	programName = "rolecall-" + runtime.GOOS + "-" + runtime.GOARCH
)

func TestPiecesAreSplitAndJoined(t *testing.T) {
	dir := t.TempDir()
	x := small(t, dir, 1000)
	f, found := x.Find(Go, runtime.GOOS, runtime.GOARCH)
	require.True(t, found)
	require.Greater(t, len(f.Pieces), 2)
	assert.Equal(t, goName+".000", f.Pieces[0].Name)
	assert.Equal(t, int64(1000), f.Pieces[0].Size)
	for _, p := range f.Pieces {
		info, err := os.Stat(filepath.Join(dir, p.Name))
		require.NoError(t, err)
		assert.Equal(t, p.Size, info.Size())
		assert.LessOrEqual(t, p.Size, int64(1000))
	}
	program, _ := x.Find(Program, runtime.GOOS, runtime.GOARCH)
	assert.Equal(t, []Piece{{programName, program.Size, program.SHA256}}, program.Pieces, "what fits is in one piece")
	assert.Len(t, list(t, dir), len(x.pieces())+1)
	assert.Equal(t, x, opened(t, dir).Index)
	problems, err := opened(t, dir).Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestAPieceMayBeFull(t *testing.T) {
	dir := t.TempDir()
	size := small(t, dir, maxFile).Files[1].Size
	x := small(t, dir, size)
	assert.Len(t, x.Files[1].Pieces, 1)
	assert.Len(t, small(t, dir, size-1).Files[1].Pieces, 2)
}

func TestANewBundleReplacesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, 500)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "timetable.txt"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rolecall-plan9-mips"), nil, 0o644), "somebody built it there")
	require.NoError(t, os.WriteFile(filepath.Join(dir, unfinished+goName+".000"), nil, 0o644), "a killed call left it")
	small(t, dir, maxFile)
	assert.ElementsMatch(t, []string{IndexFile, programName, goName, "kind-node-mips.tar.zst", "timetable.txt", "rolecall-plan9-mips"}, list(t, dir))
}

func TestAGivenUpBundleChangesNothing(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, maxFile)
	before := list(t, dir)
	_, err := Make(t.Context(), Order{Dir: dir, Program: filepath.Join(dir, "nowhere")})
	require.Error(t, err)
	assert.Equal(t, before, list(t, dir))
	problems, err := opened(t, dir).Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, 1000)
	require.NoError(t, os.Remove(filepath.Join(dir, goName+".000")))
	require.NoError(t, os.Truncate(filepath.Join(dir, goName+".001"), 10))
	damageByte(t, dir, goName+".002")
	require.NoError(t, os.Remove(filepath.Join(dir, programName)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, programName), 0o755))
	image := filepath.Join(dir, "kind-node-mips.tar.zst")
	require.NoError(t, os.WriteFile(image, make([]byte, 5000), 0o644))
	size := opened(t, dir).Files[2].Size
	problems, err := opened(t, dir).Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{
		programName + " is no file",
		goName + ".000 is missing",
		goName + ".001 is too short: it has 10 of 1000 bytes",
		goName + ".002 is damaged: it has the right size, and another SHA-256 than bundle.json says",
		"kind-node-mips.tar.zst is too long: it has 5000 bytes instead of " + json.Number(jsonOf(t, size)).String(),
	}, problems)
	assert.Len(t, opened(t, dir).Sizes(), 4)
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

func TestNoBundle(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		_, err := Open(dir)
		require.ErrorIs(t, err, ErrNone)
		assert.NotEmpty(t, next.Of(err))
	}
}

func TestAHostileIndexIsRefused(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for name, test := range map[string]struct {
		change func(*Index)
		says   string
	}{
		"another format":      {func(x *Index) { x.Format = 2 }, "its format is 2, and this rolecall reads format 1"},
		"no file":             {func(x *Index) { x.Files = nil }, "it lists 0 files"},
		"many files":          {func(x *Index) { x.Files = make([]File, 101) }, "it lists 101 files"},
		"a file above":        {func(x *Index) { x.Files[0].Name = "../x" }, `it lists a file "../x"`},
		"a system above":      {func(x *Index) { x.Files[0].OS, x.Files[0].Name = "../x", "rolecall-../x-mips" }, "not the name of a bundle's file"},
		"an absolute file":    {func(x *Index) { x.Files[0].Pieces[0].Name = "/etc/passwd" }, `a piece "/etc/passwd"`},
		"a piece below":       {func(x *Index) { x.Files[0].Pieces[0].Name = "a/b" }, `a piece "a/b"`},
		"one of Windows's":    {func(x *Index) { x.Files[0].Pieces[0].Name = `..\x` }, "not the name of its piece"},
		"the index itself":    {func(x *Index) { x.Files[0].Name = IndexFile }, "not the name of a bundle's file"},
		"the same twice":      {func(x *Index) { x.Files = append(x.Files, x.Files[0]) }, "twice"},
		"unknown content":     {func(x *Index) { x.Files[0].Content = "virus" }, `content "virus" is unknown`},
		"no size":             {func(x *Index) { x.Files[0].Pieces[0].Size = 0 }, "0 bytes"},
		"a negative size":     {func(x *Index) { x.Files[0].Pieces[0].Size = -1 }, "-1 bytes"},
		"an absurd size":      {func(x *Index) { x.Files[0].Pieces[0].Size = 1 << 62 }, "a file has 1 to 4294967295"},
		"another sum":         {func(x *Index) { x.Files[0].Size++ }, "and its pieces have"},
		"two digests":         {func(x *Index) { x.Files[0].SHA256 = sum }, "two SHA-256"},
		"no digest":           {func(x *Index) { x.Files[0].Pieces[0].SHA256 = "x" }, "without its SHA-256"},
		"no pieces":           {func(x *Index) { x.Files[0].Pieces = nil }, "0 pieces"},
		"many pieces":         {func(x *Index) { x.Files[0].Pieces = make([]Piece, 101) }, "101 pieces"},
		"a flag for an image": {func(x *Index) { x.Files[2].Image = "--help" }, "not the name of an image"},
		"too much": {func(x *Index) {
			var pieces []Piece
			for i := range 100 {
				pieces = append(pieces, Piece{pieceName(x.Files[0].Name, i, 100), maxFile, sum})
			}
			x.Files[0].Pieces, x.Files[0].Size = pieces, 100*maxFile
		}, "a bundle has at most 68"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := small(t, dir, maxFile)
			test.change(&x)
			require.NoError(t, os.WriteFile(filepath.Join(dir, IndexFile), []byte(jsonOf(t, x)), 0o644))
			_, err := Open(dir)
			require.ErrorContains(t, err, test.says)
			assert.ErrorContains(t, err, "reading bundle.json: ")
		})
	}
}

func TestWhatIsNoIndexIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, IndexFile)
	for _, text := range []string{"", "null", "[]", "{}", "{", `{"format": 1}`, `{"format": 1, "unknown": 2}`, strings.Repeat(" ", 1<<20+1)} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := Open(dir)
		require.ErrorContains(t, err, "reading bundle.json: ", "%q", text[:min(len(text), 20)])
	}
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink("/dev/zero", file))
	_, err := Open(dir)
	require.ErrorIs(t, err, errNotRegular)
}
