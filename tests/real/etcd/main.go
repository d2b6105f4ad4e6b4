// etcd as a module of its own: its published module cannot be installed by name, since its go.mod
// carries replace directives.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
