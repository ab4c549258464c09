//go:build !unix

package safefile_test

// remaining are the files in a directory after an update of one in it.
func remaining(name string) []string { return []string{name, name + ".lock"} }
