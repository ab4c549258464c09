package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/quotas"
)

const quotasHelp = `Show the quotas of an account (Service Quotas), and ask for more. They are those of one region; those of
global services are in us-east-1.

A request may be repeated: if one is open for the quota, it is shown, and none is made. If that one is for
another value, or the service refuses, the exit code is 3.`

func (a *app) quotasCommand() *cobra.Command {
	var asJSON bool
	var address string
	cmd := &cobra.Command{
		Use:   "quotas",
		Short: "Show quotas, and ask for more",
		Long:  quotasHelp,
		Example: `  credchain quotas list                         which services have quotas?
  credchain quotas list ec2
  credchain quotas get ec2 L-1216C47A
  credchain quotas request ec2 L-1216C47A 128 --dry-run`,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	flags.StringVar(&address, "endpoint-url", "", "call Service Quotas at this `URL`")

	// command is one of the commands below, with so many arguments.
	command := func(use, short string, least, most int, run func(context.Context, *quotas.Client, []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short,
			Args: func(cmd *cobra.Command, args []string) error {
				if len(args) < least || len(args) > most {
					remedy := "see `" + cmd.CommandPath() + " --help`"
					if cmd.Name() == "status" {
						remedy = findID
					}
					return usage(cmd.Name()+" takes "+strings.TrimSpace(strings.TrimPrefix(use, cmd.Name())), "%s", remedy)
				}
				return nil
			},
			RunE: func(cmd *cobra.Command, args []string) error {
				client, err := a.quotaClient(cmd, address)
				if err != nil {
					return err
				}
				return run(cmd.Context(), client, args)
			},
		}
	}
	var dry bool
	request := command("request SERVICE QUOTA VALUE", "Ask for another value; an open request for it is not repeated", 3, 3,
		func(ctx context.Context, c *quotas.Client, args []string) error {
			return a.requestQuota(ctx, c, args, dry, asJSON)
		})
	request.Flags().BoolVar(&dry, "dry-run", false, "say what would be asked for, and do not")
	cmd.AddCommand(
		command("list [SERVICE]", "List the services, or the quotas of one", 0, 1, func(ctx context.Context, c *quotas.Client, args []string) error {
			if len(args) == 0 {
				return a.listServices(ctx, c, asJSON)
			}
			all, err := c.List(ctx, args[0])
			if err != nil {
				return quotaFailure(err)
			}
			return a.showQuotas(all, asJSON)
		}),
		command("get SERVICE QUOTA", "Show a quota", 2, 2, func(ctx context.Context, c *quotas.Client, args []string) error {
			q, standard, err := withDefault(ctx, c, args[0], args[1])
			if err != nil {
				return quotaFailure(err)
			}
			return a.showQuota(q, standard, asJSON)
		}),
		request,
		command("status ID", "Show where a request stands; history lists the IDs", 1, 1, func(ctx context.Context, c *quotas.Client, args []string) error {
			change, err := c.Status(ctx, args[0])
			if err != nil {
				return statusFailure(err)
			}
			return a.showChanges([]quotas.Change{change}, asJSON)
		}),
		command("history SERVICE [QUOTA]", "List the requests that were made, with their IDs", 1, 2, func(ctx context.Context, c *quotas.Client, args []string) error {
			all, err := c.History(ctx, args[0], strings.Join(args[1:], ""))
			if err != nil {
				return quotaFailure(err)
			}
			return a.showChanges(all, asJSON)
		}),
	)
	return cmd
}

func (a *app) quotaClient(cmd *cobra.Command, address string) (*quotas.Client, error) {
	at, err := a.endpoint(cmd, "Service Quotas", address)
	if err != nil {
		return nil, err
	}
	return &quotas.Client{Region: at.Region, Credentials: a.chain(a.cfg), Transport: at.Transport,
		Endpoint: at.URL, FIPS: at.FIPS, DualStack: at.DualStack}, nil
}

// effective returns the quota with the value that holds. For some quotas there is only AWS's default: then standard is true.
func effective(ctx context.Context, c *quotas.Client, service, quota string) (q quotas.Quota, standard bool, err error) {
	q, err = c.Get(ctx, service, quota)
	if !refusedWith(err, "NoSuchResourceException") {
		return q, false, err
	}
	q, none := c.Default(ctx, service, quota)
	if refusedWith(none, "NoSuchResourceException", "AccessDeniedException") {
		return quotas.Quota{}, false, err
	}
	return q, true, none
}

// withDefault returns the quota, and AWS's default unless the service does not know it or does not let it be read.
func withDefault(ctx context.Context, c *quotas.Client, service, quota string) (quotas.Quota, *float64, error) {
	q, standard, err := effective(ctx, c, service, quota)
	switch {
	case err != nil:
		return quotas.Quota{}, nil, err
	case standard:
		return q, &q.Value, nil
	}
	d, err := c.Default(ctx, service, quota)
	switch {
	case refusedWith(err, "NoSuchResourceException", "AccessDeniedException"):
		return q, nil, nil
	case err != nil:
		return quotas.Quota{}, nil, err
	}
	return q, &d.Value, nil
}

// refusedWith reports that Service Quotas answered with one of these codes.
func refusedWith(err error, codes ...string) bool {
	var refused *quotas.Error
	return errors.As(err, &refused) && slices.Contains(codes, refused.Code)
}

func (a *app) requestQuota(ctx context.Context, c *quotas.Client, args []string, dry, asJSON bool) error {
	value, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return usage(fmt.Sprintf("%q is no number", args[2]), "give the value that the quota shall have")
	}
	if !dry {
		change, existing, err := c.Request(ctx, args[0], args[1], value)
		switch {
		case existing && err != nil:
			return a.otherIsOpen(change, value, asJSON)
		case err != nil:
			return quotaFailure(err)
		case existing:
			fmt.Fprintln(a.err, "there is an open request for it already, so none is made")
		}
		return a.showChanges([]quotas.Change{change}, asJSON)
	}
	open, found, err := c.FindOpen(ctx, args[0], args[1])
	switch {
	case err != nil:
		return quotaFailure(err)
	case found && open.Value != value:
		return a.otherIsOpen(open, value, asJSON)
	case found:
		fmt.Fprintln(a.err, "there is an open request for it already, so none would be made")
		return a.showChanges([]quotas.Change{open}, asJSON)
	}
	q, _, err := effective(ctx, c, args[0], args[1])
	if err != nil {
		return quotaFailure(err)
	}
	switch {
	case !q.Adjustable:
		return &failure{code: exitFailed, what: "the quota " + q.Name + " cannot be changed", remedy: "AWS would refuse the request"}
	case value <= q.Value:
		return &failure{code: exitFailed, what: fmt.Sprintf("the quota %s is %s already", q.Name, number(q.Value)), remedy: "AWS takes requests for more only"}
	}
	if asJSON {
		text, err := indented(struct {
			Service string  `json:"service_code"`
			Quota   string  `json:"quota_code"`
			Name    string  `json:"name"`
			Value   float64 `json:"value"`
			Desired float64 `json:"desired_value"`
		}{q.ServiceCode, q.QuotaCode, q.Name, q.Value, value})
		if err != nil {
			return err
		}
		return a.write(text)
	}
	return a.write(fmt.Sprintf("would ask for %s instead of %s: %s (%s %s)\n", number(value), number(q.Value), printable(q.Name), printable(q.ServiceCode), printable(q.QuotaCode)))
}

// otherIsOpen shows the request that is open for another value, and fails.
func (a *app) otherIsOpen(open quotas.Change, value float64, asJSON bool) error {
	if err := a.showChanges([]quotas.Change{open}, asJSON); err != nil {
		return err
	}
	return &failure{code: exitFailed, what: (&quotas.OpenError{Open: open, Wanted: value}).Error(),
		remedy: "AWS takes one request for a quota at a time: wait until it is decided, or ask for the change in its support case"}
}

// quotaArguments are those that the fields of a call come from.
var quotaArguments = map[string]string{"ServiceCode": "SERVICE", "QuotaCode": "QUOTA", "DesiredValue": "VALUE", "RequestId": "ID"}

// quotaFailure says why a call of Service Quotas failed.
func quotaFailure(err error) error {
	var bad *quotas.InputError
	if errors.As(err, &bad) {
		return usage(quotaArguments[bad.Field]+": "+bad.Msg, "see `credchain quotas --help`")
	}
	f, ok := callFailure(err).(*failure)
	if ok {
		f.what = strings.TrimPrefix(f.what, "quotas: ")
	}
	var refused *quotas.Error
	switch {
	case !ok:
		return err
	case errors.Is(err, quotas.ErrUnknown):
		f.remedy = "ask again later: what has arrived is found, and not asked for twice; or see `credchain quotas history`"
	case f.remedy == "" && errors.As(err, &refused):
		f.remedy = quotaRemedies[refused.Code]
	}
	return f
}

const findID = "`credchain quotas history SERVICE` lists the requests with their IDs"

// statusFailure says why a request was not found: by its ID, which other commands list than the quotas.
func statusFailure(err error) error {
	failure := quotaFailure(err)
	var refused *quotas.Error
	var bad *quotas.InputError
	if errors.As(err, &refused) && refused.Code == "NoSuchResourceException" || errors.As(err, &bad) {
		failureOf(failure).remedy = findID
	}
	return failure
}

var quotaRemedies = map[string]string{
	"NoSuchResourceException":        "`credchain quotas list [SERVICE]` shows what there is in this region; --region chooses another",
	"ResourceAlreadyExistsException": "a request for it is open; `credchain quotas history SERVICE QUOTA` shows it",
	"AccessDeniedException":          "the credentials are good, but not allowed to do this; `credchain whoami` shows whose they are",
	"UnrecognizedClientException":    "AWS does not know this access key; `credchain explain` shows where it comes from",
}

// number is a value without a fraction that is nothing.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func withUnit(v float64, unit string) string {
	if unit == "" || unit == "None" {
		return number(v)
	}
	return number(v) + " " + unit
}

// table writes rows of cells that are fit to print, in columns.
func (a *app) table(rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // into memory
	return a.write(b.String())
}

func (a *app) listServices(ctx context.Context, c *quotas.Client, asJSON bool) error {
	all, err := c.Services(ctx)
	if err != nil {
		return quotaFailure(err)
	}
	type service struct {
		Code string `json:"code"`
		Name string `json:"name"`
	}
	doc, rows := []service{}, [][]string{}
	for _, s := range all {
		doc, rows = append(doc, service{s.Code, s.Name}), append(rows, []string{s.Code, s.Name})
	}
	return a.either(doc, rows, asJSON)
}

// either writes a document, or rows for people.
func (a *app) either(doc any, rows [][]string, asJSON bool) error {
	if !asJSON {
		return a.table(rows)
	}
	text, err := indented(doc)
	if err != nil {
		return err
	}
	return a.write(text)
}

type quotaDocument struct {
	Service    string   `json:"service_code"`
	Quota      string   `json:"quota_code"`
	Name       string   `json:"name"`
	ARN        string   `json:"arn"`
	Value      float64  `json:"value"`
	Default    *float64 `json:"default_value,omitempty"`
	Unit       string   `json:"unit"`
	Adjustable bool     `json:"adjustable"`
	Global     bool     `json:"global"`
}

func documentOf(q quotas.Quota) quotaDocument {
	return quotaDocument{q.ServiceCode, q.QuotaCode, q.Name, q.ARN, q.Value, nil, q.Unit, q.Adjustable, q.Global}
}

func (a *app) showQuotas(all []quotas.Quota, asJSON bool) error {
	doc, rows := []quotaDocument{}, [][]string{{"QUOTA", "VALUE", "UNIT", "ADJUSTABLE", "NAME"}}
	for _, q := range all {
		unit := q.Unit
		if unit == "" || unit == "None" {
			unit = "-"
		}
		doc, rows = append(doc, documentOf(q)), append(rows, []string{q.QuotaCode, number(q.Value), unit, yesNo(q.Adjustable), q.Name})
	}
	return a.either(doc, rows, asJSON)
}

func (a *app) showQuota(q quotas.Quota, standard *float64, asJSON bool) error {
	doc := documentOf(q)
	doc.Default = standard
	rows := [][]string{{"name", q.Name}, {"value", withUnit(q.Value, q.Unit)}}
	if standard != nil {
		rows = append(rows, []string{"default", withUnit(*standard, q.Unit)})
	}
	rows = append(rows, []string{"adjustable", yesNo(q.Adjustable)}, []string{"global", yesNo(q.Global)}, []string{"arn", q.ARN})
	return a.either(doc, rows, asJSON)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) showChanges(all []quotas.Change, asJSON bool) error {
	type change struct {
		ID      string        `json:"id"`
		CaseID  string        `json:"case_id,omitempty"`
		Status  quotas.Status `json:"status"`
		Service string        `json:"service_code"`
		Quota   string        `json:"quota_code"`
		Name    string        `json:"name"`
		Context string        `json:"context_id,omitempty"`
		Value   float64       `json:"desired_value"`
		Created *time.Time    `json:"created,omitempty"`
		Updated *time.Time    `json:"updated,omitempty"`
	}
	doc, rows := []change{}, [][]string{}
	for _, c := range all {
		doc = append(doc, change{c.ID, c.CaseID, c.Status, c.ServiceCode, c.QuotaCode, c.QuotaName, c.ContextID, c.Value, unlessZero(c.Created), unlessZero(c.Updated)})
		day := ""
		if !c.Created.IsZero() {
			day = c.Created.Format(time.DateOnly)
		}
		rows = append(rows, []string{string(c.Status), day, c.ServiceCode, c.QuotaCode, withUnit(c.Value, c.Unit), c.QuotaName, c.ID})
	}
	return a.either(doc, rows, asJSON)
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
