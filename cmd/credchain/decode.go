package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/sts"
)

const decodeHelp = `Have STS decode the message that some services attach to "not authorized" errors
(DecodeAuthorizationMessage), and show who was refused what, and why.

MESSAGE may be the encoded message alone, or the whole error or log that it stands in, also wrapped
over several lines. Without MESSAGE, or with -, it is read from standard input. A message that begins
with - would be taken for flags: write -- before it, or give it on standard input.

The caller needs the permission sts:DecodeAuthorizationMessage, in the account of the refused request.`

const maxPasted = 1 << 20

func (a *app) decodeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "decode [MESSAGE]",
		Short: "Decode an authorization failure message",
		Long:  decodeHelp,
		Example: `  terraform apply 2>&1 | credchain decode
  credchain decode --json "$message" | jq .context.conditions`,
		RunE: func(cmd *cobra.Command, args []string) error {
			text := strings.Join(args, " ")
			if text == "" || text == "-" {
				if _, ok := a.person().(*atTerminal); ok {
					if _, err := io.WriteString(a.err, "paste the message, then press Enter and Ctrl-D\n"); err != nil {
						return err
					}
				}
				raw, err := readInput(cmd.Context(), a.in, maxPasted)
				if err != nil {
					return usage("standard input cannot be read: "+err.Error(), "give the part that holds the message")
				}
				text = string(raw)
			}
			encoded, err := findMessage(text)
			if err != nil {
				return err
			}
			client, err := a.sts(cmd.Context())
			if err != nil {
				return err
			}
			m, err := client.DecodeAuthorizationMessage(cmd.Context(), encoded)
			var refused *sts.Error
			switch {
			case errors.As(err, &refused) && refused.Code == "InvalidAuthorizationMessageException":
				return &failure{code: exitFailed, what: err.Error(), remedy: fmt.Sprintf(
					"the message that was found has %d characters: see that none is missing at its end, and that it comes from the account of these credentials", len(encoded))}
			case err != nil && m.Raw != "":
				// STS decoded it, into a form that is not known here.
				if _, err := io.WriteString(a.err, "warning: the document is shown as it came: "+printable(err.Error())+"\n"); err != nil {
					return err
				}
				return a.write(a.terminal.document(m.Raw + "\n"))
			case err != nil:
				return callFailure(err)
			case asJSON:
				return a.write(a.terminal.document(indentedRaw(m.Raw)))
			}
			return a.write(a.terminal.message(m))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the document as STS gives it")
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error { // the error has the message in it
		return usage("decode has no such flag", "write -- before a message that begins with -, or give it on standard input; see `credchain decode --help`")
	})
	return cmd
}

// document is a text of several lines, as it is for programs, and fit to be shown for people.
func (t terminal) document(text string) string {
	if !t.there {
		return text
	}
	return printableLines(text)
}

// indentedRaw makes a document readable that is JSON, and leaves any other as it is.
func indentedRaw(raw string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(raw), "", "  ") != nil {
		return raw + "\n"
	}
	return b.String() + "\n"
}

// message is a decoded message for people.
func (t terminal) message(m sts.AuthorizationMessage) string {
	var b strings.Builder
	row := func(label string, s style, text string) {
		if text == "" {
			return
		}
		for i, line := range t.lines(s, text, 11) {
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "%-10s %s\n", label, line)
		}
	}
	switch {
	case m.Allowed:
		row("outcome", green, "allowed")
	case m.ExplicitDeny:
		row("outcome", red, "denied, by a statement that says so")
	default:
		row("outcome", red, "denied: no statement allows it")
	}
	row("action", bold, m.Action)
	row("resource", plain, m.Resource)
	row("principal", plain, m.Principal.ARN)
	if m.Principal.ARN == "" {
		row("principal", plain, strings.TrimSpace(m.Principal.Name+" "+m.Principal.ID))
	}
	for _, s := range m.MatchedStatements {
		parts := []string{strings.ToLower(s.Effect)}
		if s.ID != "" {
			parts = append(parts, "Sid "+s.ID)
		}
		for _, list := range [...]struct {
			word string
			of   []string
		}{{"actions", s.Actions}, {"resources", s.Resources}, {"principals", s.Principals}} {
			if len(list.of) > 0 {
				parts = append(parts, list.word+" "+strings.Join(list.of, " "))
			}
		}
		row("matched", plain, strings.Join(parts, ", "))
	}
	for _, c := range m.Conditions {
		row("condition", plain, c.Key+" = "+strings.Join(c.Values, ", "))
	}
	return b.String()
}
