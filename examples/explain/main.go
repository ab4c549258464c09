// Explain prints what every link of the chain saw, without opening a socket.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func main() {
	chain := providers.Default(providers.Config{})
	trace := chain.Explain(context.Background(), credchain.Offline)
	fmt.Print(trace)
	for _, a := range trace.Attempts {
		switch a.Status {
		case credchain.Used:
			fmt.Printf("%s decides: %v\n", a.Provider, a.Origins)
		case credchain.Masked:
			fmt.Printf("%s is masked: %v\n", a.Provider, a.Origins)
		case credchain.Failed:
			fmt.Println("to do:", a.Remedy)
			os.Exit(3)
		}
	}
}
