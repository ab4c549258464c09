//go:build unix && !linux

package process_test

func linuxProgram(string, []string) int { return 97 }
