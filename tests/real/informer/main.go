// The oracle of the differential test: client-go informers for every kind that gatehouse watches,
// with the same selectors. At "dump" on standard input it prints what they hold, one line an
// object, sorted, and "." behind the last one; "bench" is another way to call it: how long, how
// much CPU and how much memory until everything is synced.
//
//	informer -kubeconfig FILE [-kinds pods,...]          answers "dump" and "ready" on stdin
//	informer -kubeconfig FILE [-kinds pods,...] -bench   prints one JSON object and ends; with -json in JSON
//
// A line is: resource.group TAB namespace/name TAB uid TAB resourceVersion TAB object, where object
// is the whole of it in JSON but managedFields.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

type kind struct {
	gvr      schema.GroupVersionResource
	selector string // fieldSelector, as gatehouse asks
	custom   bool
}

func builtin(group, version, resource string) kind {
	return kind{gvr: schema.GroupVersionResource{Group: group, Version: version, Resource: resource}}
}

func kinds() []kind {
	events := builtin("", "v1", "events")
	events.selector = "type!=Normal"
	leases := builtin("coordination.k8s.io", "v1", "leases")
	leases.selector = "metadata.name=aws-load-balancer-controller-leader"
	lbc := builtin("elbv2.k8s.aws", "v1beta1", "targetgroupbindings")
	auto := builtin("eks.amazonaws.com", "v1", "targetgroupbindings")
	lbc.custom, auto.custom = true, true
	return []kind{
		builtin("", "v1", "namespaces"), builtin("", "v1", "nodes"), builtin("", "v1", "services"),
		builtin("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"), leases,
		builtin("networking.k8s.io", "v1", "ingresses"), lbc, auto,
		builtin("apps", "v1", "deployments"), builtin("apps", "v1", "statefulsets"),
		builtin("apps", "v1", "daemonsets"), builtin("apps", "v1", "replicasets"),
		builtin("apps", "v1", "controllerrevisions"), builtin("policy", "v1", "poddisruptionbudgets"),
		builtin("autoscaling", "v2", "horizontalpodautoscalers"),
		builtin("discovery.k8s.io", "v1", "endpointslices"), events, builtin("", "v1", "pods"),
	}
}

func (k kind) name() string {
	if k.gvr.Group == "" {
		return k.gvr.Resource
	}
	return k.gvr.Resource + "." + k.gvr.Group
}

type watched struct {
	kind
	informer cache.SharedIndexInformer
}

// How to ask: by itself client-go's typed client asks for protobuf, with JSON behind it.
type form struct {
	kubeconfig, only string
	json             bool
	transform        cache.TransformFunc // nil: what comes is kept as it is
}

func start(ctx context.Context, how form) ([]watched, error) {
	config, err := clientcmd.BuildConfigFromFlags("", how.kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	typedConfig := *config
	if how.json {
		typedConfig.ContentType = runtime.ContentTypeJSON
	}
	typed, err := kubernetes.NewForConfig(&typedConfig)
	if err != nil {
		return nil, err
	}
	loose, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var all []watched
	for _, k := range kinds() {
		if how.only != "" && !strings.Contains(","+how.only+",", ","+k.gvr.Resource+",") {
			continue
		}
		tweak := func(o *metav1.ListOptions) { o.FieldSelector = k.selector }
		var informer cache.SharedIndexInformer
		if k.custom {
			informer = dynamicinformer.NewFilteredDynamicInformer(loose, k.gvr, "", 0, cache.Indexers{}, tweak).Informer()
		} else {
			factory := informers.NewSharedInformerFactoryWithOptions(typed, 0, informers.WithTweakListOptions(tweak))
			generic, err := factory.ForResource(k.gvr)
			if err != nil {
				return nil, err
			}
			informer = generic.Informer()
		}
		if how.transform != nil {
			if err := informer.SetTransform(how.transform); err != nil {
				return nil, err
			}
		}
		all = append(all, watched{k, informer})
		go informer.RunWithContext(ctx)
	}
	return all, nil
}

// What client-go itself offers against its own weight.
func dropManagedFields(object any) (any, error) {
	if meta, ok := object.(metav1.Object); ok {
		meta.SetManagedFields(nil)
	}
	return object, nil
}

func line(k kind, object any) (string, error) {
	meta, ok := object.(metav1.Object)
	if !ok {
		return "", fmt.Errorf("%T is no object", object)
	}
	var fields map[string]any
	if u, ok := object.(*unstructured.Unstructured); ok {
		fields = u.Object
	} else {
		var err error
		if fields, err = runtime.DefaultUnstructuredConverter.ToUnstructured(object); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(fields)
	return fmt.Sprintf("%s\t%s/%s\t%s\t%s\t%s", k.name(), meta.GetNamespace(), meta.GetName(), meta.GetUID(),
		meta.GetResourceVersion(), text), err
}

func dump(all []watched, out *bufio.Writer) error {
	var lines []string
	for _, w := range all {
		for _, object := range w.informer.GetStore().List() {
			text, err := line(w.kind, object)
			if err != nil {
				return err
			}
			lines = append(lines, text)
		}
	}
	sort.Strings(lines)
	for _, text := range lines {
		fmt.Fprintln(out, text)
	}
	fmt.Fprintln(out, ".")
	return out.Flush()
}

func synced(all []watched) bool {
	for _, w := range all {
		if !w.informer.HasSynced() {
			return false
		}
	}
	return true
}

func cpuMillis(u syscall.Rusage) int64 {
	return (u.Utime.Sec+u.Stime.Sec)*1000 + (u.Utime.Usec+u.Stime.Usec)/1000
}

func bench(all []watched, began time.Time) error {
	for !synced(all) {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	objects := 0
	for _, w := range all {
		objects += len(w.informer.GetStore().ListKeys())
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"objects": int64(objects),
		"sync_ms": took.Milliseconds(), "cpu_ms": cpuMillis(usage), "max_rss_kib": usage.Maxrss})
}

func serve(all []watched) error {
	out := bufio.NewWriter(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "ready":
			fmt.Fprintln(out, synced(all))
			out.Flush()
		case "dump":
			if err := dump(all, out); err != nil {
				return err
			}
		}
	}
	return in.Err()
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the server")
	only := flag.String("kinds", "", "resources, comma-separated; empty: all")
	benchmark := flag.Bool("bench", false, "measure until everything is synced")
	inJSON := flag.Bool("json", false, "ask for JSON instead of what client-go's typed client asks for by itself")
	lean := flag.Bool("lean", false, "with -bench: without managedFields")
	flag.Parse()
	began := time.Now()
	how := form{kubeconfig: *kubeconfig, only: *only, json: *inJSON}
	if !*benchmark || *lean {
		how.transform = dropManagedFields
	}
	all, err := start(context.Background(), how)
	if err == nil && *benchmark {
		err = bench(all, began)
	} else if err == nil {
		err = serve(all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "informer:", err)
		os.Exit(1)
	}
}
