package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"credchain": main})
}

// TestScripts runs the command as people do, in an environment that holds nothing of the real one. A script
// that lets it ask the metadata service must set AWS_EC2_METADATA_SERVICE_ENDPOINT to $COUNTER or to a port
// that nobody listens on.
func TestScripts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32 // of all scripts: none may ask
	counter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.NotFound(w, nil)
	}))
	t.Cleanup(counter.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("USERPROFILE", home)
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("COUNTER", counter.URL)
			return os.MkdirAll(home, 0o700)
		},
		Condition: func(name string) (bool, error) {
			return name == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   checkCode,
			"report": func(ts *testscript.TestScript, _ bool, _ []string) { checkReport(ts, ts.ReadFile("stdout")) },
			"unasked": func(ts *testscript.TestScript, _ bool, _ []string) {
				if n := asked.Load(); n != 0 {
					ts.Fatalf("the metadata service was asked %d times", n)
				}
			},
			"json": checkJSON,
		},
	})
}

// checkCode runs a program and checks its exit code: code 3 credchain explain.
func checkCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE PROGRAM [ARGUMENT...]")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("the exit code is %s, not %s", got, args[0])
	}
}

// checkJSON checks one value of the document on standard output: json credentials.kind long-term.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, key := range strings.Split(args[0], ".") {
		object, ok := v.(map[string]any)
		if !ok {
			ts.Fatalf("there is no %s", args[0])
		}
		v = object[key]
	}
	got, isText := v.(string)
	if !isText {
		b, err := json.Marshal(v)
		ts.Check(err)
		got = string(b)
	}
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}
