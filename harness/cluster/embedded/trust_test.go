package embedded

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTrustNamesTests looks for each test that docs/trust.md rests on.
func TestTrustNamesTests(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "trust.md"))
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	var tests strings.Builder
	for _, folder := range []string{sourceFolder, filepath.Join("..", "..", "e2e")} {
		require.NoError(t, filepath.WalkDir(folder, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			tests.Write(text)
			return err
		}))
	}
	for _, name := range named {
		require.Contains(t, tests.String(), "\nfunc "+name[1]+"(t *testing.T)", "docs/trust.md names a test that is not there")
	}
}
