package ini_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
)

func TestLongLines(t *testing.T) {
	t.Parallel()
	const (
		tooLong  = "line longer than 1 MiB"
		valueToo = "value longer than 1 MiB"
	)
	long := strings.Repeat("x", 100) // with a bound of 100 for the line
	for _, tt := range []struct{ name, file, want string }{
		{"fits", "[profile p]\nk=" + long[2:] + "\n", lines(`1 [profile p]`, `2 k="`+long[2:]+`"`)},
		{"at the end of the file", "[profile p]\nk=" + long[2:], lines(`1 [profile p]`, `2 k="`+long[2:]+`"`)},
		{"indentation is not counted", "[profile p]\n" + strings.Repeat(" ", 500) + "k=" + long[2:], lines(`1 [profile p]`, `2 k="`+long[2:]+`"`)},
		{"key", "[profile p]\nk=" + long + "\n  x\na = b\n", lines(`1 [profile p]`, `4 a="b"`, `! f:2: `+tooLong)},
		{"last line", "[profile p]\nk=" + long, lines(`1 [profile p]`, `! f:2: `+tooLong)},
		{"continuation", "[profile p]\nk = v\n " + long + "x\n w\n", lines(`1 [profile p]`, `2 k="v\nw"`, `! f:3: `+tooLong)},
		{"nested", "[profile p]\nk =\n a=" + long + "\n b = c\n", lines(`1 [profile p]`, `2 k=""`, `4   b="c"`, `! f:3: `+tooLong)},
		{"value", "[profile p]\nk = v\n " + long[:60] + "\n " + long[:60] + "\n w\n", lines(`1 [profile p]`, `2 k="v\n`+long[:60]+`\nw"`, `! f:4: `+valueToo)},
		{"header", "[profile p]\na = b\n[profile " + long + "]\nc = d\n", lines(`1 [profile p]`, `2 a="b"`, `? f:3: `+tooLong)},
		{"comment", "[profile p]\n#" + long + long + "\na = b\n", lines(`1 [profile p]`, `3 a="b"`)},
		{"in a passed section", "[x]\n k=" + long + "\n j=" + long + "\n[profile p]\na = b\n", lines(`4 [profile p]`, `5 a="b"`)},
		{"before the first section", long + long + "\n[profile p]\n", lines(`2 [profile p]`, `? f:1: `+stray)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for size := 3; size < 300; size++ {
				doc, err := ini.Bounds{Buffer: size, Line: 100}.Read(strings.NewReader(tt.file), "f", ini.Config, profile("p"))
				require.NoError(t, err)
				require.Equal(t, tt.want, show(doc), "buffer of %d bytes", size)
			}
		})
	}
}

// zeros is a file without end.
type zeros struct{ read int64 }

func (z *zeros) Read(b []byte) (int, error) {
	clear(b)
	z.read += int64(len(b))
	return len(b), nil
}

func TestOneMiB(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    int
		fits bool
	}{{1 << 20, true}, {1<<20 + 1, false}} {
		file := "[profile p]\nk=" + strings.Repeat("x", tt.n-2) + "\n"
		doc, err := ini.Read(strings.NewReader(file), "f", ini.Config, profile("p"))
		require.NoError(t, err)
		require.Equal(t, tt.fits, doc.Sections[0].Err == nil)
		require.Equal(t, tt.fits, len(doc.Sections[0].Keys) == 1)
	}
}

func TestEndlessFile(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"", "[profile p]\n", "[profile p]\nk = ", "[x]\nk = ", "[", "#"} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			endless := &zeros{}
			doc, err := ini.Bounds{Total: 4 << 20}.Read(io.MultiReader(strings.NewReader(start), endless), "the/file", ini.Config, profile("p"))
			require.Nil(t, doc)
			require.EqualError(t, err, "the/file: larger than 256 MiB")
			require.Less(t, endless.read, int64(5<<20))
		})
	}
	// The bound itself is no error.
	file := "[profile p]\n"
	_, err := ini.Bounds{Total: int64(len(file))}.Read(strings.NewReader(file), "f", ini.Config)
	require.NoError(t, err)
	_, err = ini.Bounds{Total: int64(len(file) - 1)}.Names(strings.NewReader(file), "f", ini.Config)
	require.Error(t, err)
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	pathErr := &fs.PathError{Op: "read", Path: "p", Err: boom}
	for _, tt := range []struct {
		name string
		r    io.Reader
		is   error
		want string
	}{
		{"plain", iotest.ErrReader(boom), boom, "the/file: boom"},
		{"after some text", io.MultiReader(strings.NewReader("[profile p]\nk = v\n"), iotest.ErrReader(boom)), boom, "the/file: boom"},
		{"path error", iotest.ErrReader(pathErr), pathErr, "read p: boom"},
		{"no progress", noProgress{}, io.ErrNoProgress, "the/file: " + io.ErrNoProgress.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc, err := ini.Read(tt.r, "the/file", ini.Config, profile("p"))
			require.Nil(t, doc)
			require.ErrorIs(t, err, tt.is)
			require.EqualError(t, err, tt.want)

			names, err := ini.Names(iotest.ErrReader(boom), "the/file", ini.Config)
			require.Nil(t, names)
			require.ErrorIs(t, err, boom)
		})
	}
}

type noProgress struct{}

func (noProgress) Read([]byte) (int, error) { return 0, nil }

// TestErrorsHoldNoText hunts for text of the file in every error there is.
func TestErrorsHoldNoText(t *testing.T) {
	t.Parallel()
	const secret = "wJalrXUtnFEMI"
	seen := 0
	for _, line := range []string{
		"[profile p " + secret, "[profile p] " + secret, "[" + secret, "[profile '" + secret + "]", "[] = " + secret,
		secret, "=" + secret, " = " + secret, "k =\n  " + secret, "k =\n  = " + secret, "[profile p]\n" + secret,
	} {
		for _, file := range []string{line, "[profile p]\n" + line + "\n"} {
			names, err := ini.Names(strings.NewReader(file), "f", ini.Config)
			require.NoError(t, err)
			doc, err := ini.Read(strings.NewReader(file), "f", ini.Config, refs(names)...)
			require.NoError(t, err)
			for _, e := range doc.Unplaced {
				require.NotContains(t, e.Error(), secret)
				seen++
			}
			for _, s := range doc.Sections {
				require.NotContains(t, fmt.Sprint(s.Err), secret)
			}
		}
	}
	require.Greater(t, seen, 10)
}

// TestAllocations is not parallel: it counts the allocations of the process.
func TestAllocations(t *testing.T) {
	file, last := companyFile(10_000)
	n := testing.AllocsPerRun(5, func() {
		doc, err := ini.Read(strings.NewReader(file), "config", ini.Config, last)
		if err != nil || len(doc.Sections) != 1 {
			t.Fatal(doc, err)
		}
	})
	require.LessOrEqual(t, n, 30.0)

	// And the last line number is right after all the buffers before it.
	doc, err := ini.Read(strings.NewReader(file), "config", ini.Config, last)
	require.NoError(t, err)
	above := file[:strings.Index(file, "[profile "+last.Name+"]")]
	require.Equal(t, strings.Count(above, "\n")+1, doc.Sections[0].Line)
}
