package awstest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// t stands for the *testing.T of a test. This one prints what would fail the test.
var t printer

type printer struct{}

func (printer) Helper()                           {}
func (printer) Errorf(format string, args ...any) { fmt.Printf("FAIL: "+format+"\n", args...) }
func (printer) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (printer) Cleanup(func())                    {}

// A machine that has one variable and may be asked for the others of AWS. Everything else fails the test.
func Example() {
	m := awstest.Hermetic(t, awstest.World{
		Env:   map[string]string{"AWS_REGION": "eu-west-1"},
		Unset: []string{"AWS_*"},
	})
	system := m.System() // give it to the providers: providers.Config{System: m.System()}
	fmt.Println(system.Getenv("AWS_REGION"))
	_, err := system.Open("/home/hermetic/.aws/config")
	fmt.Println(err != nil, m.Opened())
	// Output:
	// eu-west-1
	// FAIL: awstest: the file ~/.aws/config is neither in Files nor in Missing nor in Broken
	// true [~/.aws/config]
}

// An instance with a role, of which a client reads the name without a socket.
func ExampleIMDS() {
	fake := &awstest.IMDS{Role: "app", Credentials: awstest.LongTerm("app")}
	client := http.Client{Transport: awstest.Transport(map[string]http.Handler{"169.254.169.254": fake})}
	resp, err := client.Get("http://169.254.169.254/latest/meta-data/iam/security-credentials/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, fake.Requests())
	// Output: 200 OK [GET /latest/meta-data/iam/security-credentials/ 200]
}

// A service that is down twice, and then works.
func ExampleFaulty() {
	user := awstest.LongTerm("deploy")
	service := &awstest.STS{Principals: []awstest.Principal{{Credentials: user, ARN: "arn:aws:iam::123456789012:user/deploy"}}}
	client := sts.Client{
		Region:      "eu-west-1",
		Credentials: awstest.Script(awstest.Result{Credentials: user}),
		Transport: awstest.Transport(map[string]http.Handler{
			"sts.eu-west-1.amazonaws.com": awstest.Faulty(service, awstest.Fault{Status: 503, Times: 1}, awstest.Fault{Reset: true, Times: 1}),
		}),
	}
	identity, err := client.GetCallerIdentity(context.Background())
	fmt.Println(identity.ARN, err)
	// Output: arn:aws:iam::123456789012:user/deploy <nil>
}

// A link that has nothing to try, and then one that has.
func ExampleScript() {
	absent := awstest.Script(awstest.NotConfigured("AWS_ACCESS_KEY_ID is not set"))
	present := awstest.Script(awstest.Result{Credentials: awstest.Temporary("app", time.Now().Add(time.Hour))})
	chain := credchain.New(absent, present)
	creds, err := chain.Retrieve(context.Background())
	fmt.Println(strings.HasPrefix(creds.AccessKeyID, "ASIA"), err, absent.Calls(), present.Calls())
	// Output: true <nil> 1 1
}
