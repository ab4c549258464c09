package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wrapped is text in lines of at most n characters, each after a margin.
func wrapped(text, margin, end string, n int) string {
	var b strings.Builder
	for len(text) > n {
		b.WriteString(margin + text[:n] + end)
		text = text[n:]
	}
	return b.String() + margin + text
}

func TestFindMessage(t *testing.T) {
	t.Parallel()
	// Of the characters that messages have; not of a real one.
	message := strings.Repeat("Qx7-hZ_2kPw9", 30) + "end0"
	const said = "You are not authorized to perform this operation. Encoded authorization failure message: "
	for name, text := range map[string]string{
		"alone":                    message,
		"with blanks around":       "\n  " + message + "\n\n",
		"in an error":              said + message,
		"with words after":         said + message + " status code: 403, request id: 1",
		"in quotes":                `{"Message":"` + said + message + `"}`,
		"with an escaped line end": said + message + `\n\tstatus code: 403`,
		"wrapped":                  said + "\n" + wrapped(message, "", "\n", 80),
		"wrapped, Windows":         said + "\r\n" + wrapped(message, "", "\r\n", 80) + "\r\n",
		"wrapped, then words":      said + "\n" + wrapped(message, "", "\n", 91) + "\nstatus code: 403",
		"wrapped full, then words": said + "\n" + wrapped(message, "", "\n", len(message)/4) + "\nand then",
		"wrapped in Terraform":     "╷\n│ Error: " + said + "\n" + wrapped(message, "│ ", "\n", 76) + "\n│ \n│   with aws_instance.x,\n╵",
		"wrapped, alone":           wrapped(message, "  ", "\n", 64),
		"wrapped in quotes":        `{"Message":"` + said + "\n" + wrapped(message, "", "\n", 80) + `"}`,
		"wrapped, a short rest":    said + "\n" + wrapped(message, "", "\n", 89) + "\n10:22:31 [info]", // 8 bytes
		"wrapped once":             said + "\n" + wrapped(message, "", "\n", 300),
		"then a time":              said + message + "\n2024-05-01T10:00:01Z INFO next",
		"then an hour":             said + message + "\n10:22:31 [info] next",
		"then a field":             said + message + "\nRequestID: 8f0a-11",
		"then HTTP":                said + message + "\nHTTP status 403",
		"then STS":                 said + message + "\nSTS error",
		"then a prompt":            said + message + "\nuser-01@host:~$",
		"then a short line":        said + message + "\nB2",
		"wrapped, then a time":     said + "\n" + wrapped(message, "", "\n", len(message)/4) + "\n2024-05-01T10:00:01Z INFO next",
		"coloured":                 "\x1b[31m" + said + "\x1b[0m" + message + "\x1b[0m",
		"other words":              "Encoded message: " + message,
		"other case":               "encoded Authorization Failure Message:" + message,
		"no marker, in a sentence": "could you look at " + message + " please",
	} {
		got, err := findMessage(text)
		require.NoError(t, err, name)
		require.Equal(t, message, got, name)
	}
	for name, text := range map[string]string{
		"nothing":          "",
		"words":            strings.Repeat("these are words ", 100),
		"after marker":     said,
		"cut off":          said + message + "...",
		"cut off by name":  said + message + "\n[truncated]",
		"cut off, wrapped": said + "\n" + wrapped(message, "", "\n", 80) + "…",
		"cut off, …":       message + "…",
		"too long":         strings.Repeat(message, 40),
	} {
		_, err := findMessage(text)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), message[:40], name)
	}
}

func FuzzFindMessage(f *testing.F) {
	f.Add("Encoded authorization failure message: " + strings.Repeat("aB3-_", 30) + "\nxyz")
	f.Add(strings.Repeat("aaaaaaaaaaaaaaaaaaaaaa\n", 50))
	f.Add("│ \x1b[0m...")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := findMessage(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, found)
		require.LessOrEqual(t, len(found), longestMessage)
		for i := range len(found) {
			require.True(t, encodedByte(found[i]))
		}
	})
}
