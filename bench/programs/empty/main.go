// Command empty is the measure of the others: it links an HTTP client and JSON, as nearly every program does,
// and prints the environment's access key ID.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 {
		resp, err := http.Get(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var value any
		if err := json.NewDecoder(resp.Body).Decode(&value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(value)
	}
	fmt.Println(os.Getenv("AWS_ACCESS_KEY_ID"))
}
