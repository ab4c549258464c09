package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// choice is a flag that takes one of a few values.
type choice struct {
	values []string
	value  string
	kind   string // what the help calls a value; "" means all the values
}

var _ pflag.Value = (*choice)(nil)

func (c *choice) String() string { return c.value }

// Type is what the help shows for the value.
func (c *choice) Type() string {
	if c.kind != "" {
		return c.kind
	}
	return strings.Join(c.values, "|")
}

// Set accepts exactly the values.
func (c *choice) Set(v string) error {
	if !slices.Contains(c.values, v) {
		return fmt.Errorf("it is one of %s", strings.Join(c.values, ", "))
	}
	c.value = v
	return nil
}

func (c *choice) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return c.values, cobra.ShellCompDirectiveNoFileComp
}
