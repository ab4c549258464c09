package main

import (
	"github.com/spf13/cobra"

	"github.com/credchain/credchain/providers"
)

// completeProfile offers the names in the shared files. What cannot be read offers nothing.
func (a *app) completeProfile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return providers.ProfileNames(a.cfg), cobra.ShellCompDirectiveNoFileComp
}
