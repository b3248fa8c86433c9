// Makes the "converted" of every line of results.jsonl anew with the reference's own library, so that our
// conversion is held against it and not against what we think of it. In an empty directory with both files:
//
//	go mod init conversion && go get github.com/containernetworking/cni@v1.3.0
//	go run . <results.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"os"

	_ "github.com/containernetworking/cni/pkg/types/020"
	_ "github.com/containernetworking/cni/pkg/types/040"
	_ "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
	"github.com/containernetworking/cni/pkg/version"
)

type line struct {
	Case      string          `json:"case"`
	Version   string          `json:"version"`
	Result    json.RawMessage `json:"result"`
	Converted map[string]any  `json:"converted"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var l line
		must(json.Unmarshal(in.Bytes(), &l))
		result, err := create.Create(l.Version, l.Result)
		must(err)
		l.Converted = map[string]any{}
		for _, to := range version.All.SupportedVersions() {
			converted, err := result.GetAsVersion(to)
			if err != nil {
				l.Converted[to] = err.Error()
			} else {
				l.Converted[to] = converted
			}
		}
		must(out.Encode(l))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
