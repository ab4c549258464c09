package process

// The two readings of a command, whatever system the tests run on.
var (
	LooksLikePOSIXShell   = looksLikePOSIXShell
	LooksLikeWindowsShell = looksLikeWindowsShell
)
