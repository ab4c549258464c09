// Command ecsagent serves task credentials on a loopback or link-local address with the Amazon ECS agent's
// own handlers. It adds nothing to them but a listener and one set of credentials, which it reads as JSON from
// standard input in the form in which the ECS control plane sends them to the agent.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/acs/model/ecsacs"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	v1 "github.com/aws/amazon-ecs-agent/agent/handlers/v1"
	v2 "github.com/aws/amazon-ecs-agent/agent/handlers/v2"
	"github.com/aws/amazon-ecs-agent/agent/logger/audit/request"
	"github.com/gorilla/mux"
)

// noAudit stands in for the agent's audit log, which would write to /var/log/ecs.
type noAudit struct{}

func (noAudit) Log(request.LogRequest, int, string) {}
func (noAudit) GetContainerInstanceArn() string     { return "" }
func (noAudit) GetCluster() string                  { return "" }

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	flag.Parse()

	var sent ecsacs.IAMRoleCredentials
	if err := json.NewDecoder(os.Stdin).Decode(&sent); err != nil {
		log.Fatalf("ecsagent: credentials on standard input: %v", err)
	}
	role := credentials.IAMRoleCredentialsFromACS(&sent, credentials.ApplicationRoleType)
	manager := credentials.NewManager()
	task := credentials.TaskIAMRoleCredentials{ARN: "arn:aws:ecs:us-east-1:111122223333:task/realtest", IAMRoleCredentials: role}
	if err := manager.SetTaskCredentials(&task); err != nil {
		log.Fatalf("ecsagent: %v", err)
	}

	// Routed as in the agent's taskServerSetup, so that a path without an id is answered 400, not 404.
	router := mux.NewRouter()
	router.HandleFunc(v1.CredentialsPath, v1.CredentialsHandler(manager, noAudit{}))
	router.HandleFunc(v2.CredentialsPath, v2.CredentialsHandler(manager, noAudit{}))

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatalf("ecsagent: %v", err)
	}
	fmt.Println(l.Addr())
	log.Fatal(http.Serve(l, router))
}
