package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/internal/ini"
)

// completeProfile offers the names in the shared files. What cannot be read offers nothing.
func completeProfile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, f := range []struct {
		variable, name string
		style          ini.Style
	}{
		{"AWS_CONFIG_FILE", "config", ini.Config},
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", ini.Credentials},
	} {
		for _, n := range sections(sharedPath(f.variable, f.name), f.style) {
			if n.Kind == ini.Profile {
				names = append(names, n.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func sections(path string, style ini.Style) []ini.Name {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil // a pipe would hang the shell
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := ini.Names(f, path, style)
	return names
}

// sharedPath is the path of a shared file. Only a tilde is expanded, which is what a shell leaves in a
// variable.
func sharedPath(variable, name string) string {
	home, _ := os.UserHomeDir()
	path := strings.TrimSpace(os.Getenv(variable))
	if path == "" {
		return filepath.Join(home, ".aws", name)
	}
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		return home + rest
	}
	return path
}
