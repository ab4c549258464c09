package awstest

import (
	"bytes"
	"encoding/xml"
	"net/http"
)

// requestID is in every answer; a fake needs no two.
const requestID = "00000000-0000-4000-8000-000000000000"

// refusal is an error in STS's terms.
type refusal struct {
	status        int
	code, message string
}

func stsError(action string, e *refusal) reply {
	fault := "Sender"
	if e.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	type detail struct{ Type, Code, Message string }
	a := xmlReply(e.status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{xml.Name{}, stsNamespace, detail{fault, e.code, e.message}, requestID})
	a.operation, a.code = action, e.code
	return a
}

func xmlReply(status int, v any) reply {
	var body bytes.Buffer
	enc := xml.NewEncoder(&body)
	enc.Indent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // strings in a struct: it cannot fail
	}
	body.WriteByte('\n')
	return reply{
		status: status, contentType: "text/xml", body: body.Bytes(),
		header: http.Header{"X-Amzn-Requestid": {requestID}},
	}
}
