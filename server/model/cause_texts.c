/*
 * The words of each cause, for somebody woken at night: what, since when and why; what to do; the
 * commands with real names. One row a code, in catalogue order. cause_write.c fills them in:
 *
 *   {pods} {Pods}   "pod web-1", "3 pods", in a command their names; {s} {is} {has} {it} {them}
 *                   {its} {was} agree with it
 *   {since}         "since 10:24:40 UTC"
 *   {workload}      "Deployment web"; {target} "deployment/web" for kubectl
 *   {nodes}         "node a", "nodes a and b" of the pods it holds, in a command their names
 *   {ns} {pod} {node} {binding} {service} {arn} {region} {usual}
 *   {name}          the workload's; {refused}: what a webhook keeps from being made
 *   {these}         "pod web-1", "these 3 pods"
 *   {wait}          "Wait; past the usual time", or that it is past it
 *   {advice}        what a wrong code says about the app
 *   {check}         the health check's settings; {config}: the webhook configuration it is about
 *   {tgb}           what kubectl calls bindings of its group: two groups can have the kind
 *   {cns}           the controller's namespace; "" behind Auto Mode, which has no pods to look at
 *   {a} {b}         the rule's own words; {:a} is ": a", {(b)} is " (b)", { b} a sentence of its
 *                   own; nothing when empty
 *   [...]           only where pods are held;  <...> only where none is
 *
 * A command with an empty word in it is left out.
 */
#include "model/cause_text.h"

#include <stdbool.h>
#include <string.h>

#define DESCRIBE_POD     "kubectl -n {ns} describe pod {pod}"
#define DESCRIBE_BINDING "kubectl -n {ns} describe {tgb} {binding}"
#define HEALTH           "aws elbv2 describe-target-health --region {region} --target-group-arn {arn}"
#define GROUP            "aws elbv2 describe-target-groups --region {region} --target-group-arns {arn}"
#define CONTROLLER_LOGS  "kubectl -n {cns} logs deployment/aws-load-balancer-controller --since=15m"
#define CONTROLLER_PODS                                                                            \
    "kubectl -n {cns} get pods -l app.kubernetes.io/name=aws-load-balancer-controller -o wide"
#define RESTART_CONTROLLER                                                                         \
    "kubectl -n {cns} rollout restart deployment/aws-load-balancer-controller"
#define RESTART     "kubectl -n {ns} rollout restart {target}"
#define DELETE_POD  "kubectl -n {ns} delete pod {pod}"
#define DELETE_PODS "kubectl -n {ns} delete pod {pods}"
#define UNDO        "kubectl -n {ns} rollout undo {target}"
#define RESUME      "kubectl -n {ns} rollout resume {target}"
#define WEBHOOKS    "kubectl get mutatingwebhookconfigurations -o wide"
#define LABEL       "kubectl get namespace {ns} --show-labels"

static const struct cause_text texts[] = {
    {"node_not_ready",
     "Node {a} is not ready{(b)}: {pods} of {workload} on it {is} not ready either, {since}, and "
     "the load balancer controller takes {them} out.",
     "See what became of the node. Where it does not come back, drain or delete it: the pods are "
     "made anew elsewhere.",
     {"kubectl describe node {node}", "kubectl get pods -A --field-selector spec.nodeName={node}"}},
    {"unschedulable",
     "No node takes {pods} of {workload}, {since}{:a}",
     "Make room, or change what the pod asks for: requests, node selector, affinity, taints. With "
     "a node autoscaler, see why it adds no node.",
     {DESCRIBE_POD, "kubectl get nodes"}},
    {"image_pull",
     "The image {a} of container {b} cannot be pulled: {pods} of {workload} wait{s} "
     "{since}.",
     "Check the image name and tag, that the registry has it, and the pull secret.",
     {DESCRIBE_POD}},
    {"container_not_created",
     "The node has not started the containers of {pods} of {workload}, {since}{:b}",
     "Give the pod what the message names: a ConfigMap, Secret or volume, an address in the "
     "subnet, a command that exists.",
     {DESCRIBE_POD, "kubectl -n {ns} get events --field-selector involvedObject.name={pod}"}},
    {"crash_loop",
     "Container {a} crashes again and again (last: {b}), {since}: {pods} of {workload}.",
     "Read the last words of the container and its exit code.",
     {"kubectl -n {ns} logs {pod} -c {a} --previous", DESCRIBE_POD}},
    {"init_running",
     "{Pods} of {workload} still run{s} init container {a}, {since}.",
     "{wait} read what the init container waits for.",
     {"kubectl -n {ns} logs {pod} -c {a}", DESCRIBE_POD}},
    {"probe_failing",
     "Container {a} runs, but its probe does not pass: {pods} of {workload} "
     "{is} not ready {since}.{ b}",
     "{wait} compare the probe with what the app answers.",
     {"kubectl -n {ns} logs {pod} -c {a}", DESCRIBE_POD}},
    {"pod_creation_refused",
     "Kubernetes refuses to make pods of {workload}, {since}{:a}",
     "Remove what refuses them: the message names the quota or the admission webhook.",
     {"kubectl -n {ns} describe {target}", "kubectl -n {ns} get resourcequota"}},
    {"binding_name_too_long",
     "The binding {binding} has a name of more than 63 characters, which no readiness gate can "
     "bear: every pod that its Service selects is refused at creation.",
     "Make the binding anew under a shorter name (names cannot be changed), then the pods come.",
     {DESCRIBE_BINDING, "kubectl -n {ns} get {tgb} {binding} -o yaml"}},
    {"webhook_no_endpoints",
     "The controller's webhook has no endpoint behind Service {b}/{a}, {since}, so {refused}.",
     "Start the controller. Where its own pods are refused by its webhook, take the injection "
     "label "
     "off its namespace first.",
     {CONTROLLER_PODS, "kubectl -n {b} get endpointslices -l kubernetes.io/service-name={a}",
      "kubectl label namespace {b} elbv2.k8s.aws/pod-readiness-gate-inject-"}},
    {"webhook_unreachable",
     "The API server cannot reach the controller's webhook, {since}, so {refused}.",
     "Open the webhook's port (9443) from the control plane to the controller's pods, and see that "
     "they run; pods on an overlay network need hostNetwork for it.",
     {CONTROLLER_PODS, WEBHOOKS}},
    {"webhook_service_missing",
     "The controller's webhook is configured, but its Service {b}/{a} does not exist, "
     "{since}, so {refused}.",
     "Install the controller whole, or remove its webhook configuration.",
     {"kubectl -n {b} get service {a}", WEBHOOKS,
      "kubectl delete mutatingwebhookconfiguration {config}"}},
    {"webhook_certificate_untrusted",
     "The API server does not trust the certificate of the controller's webhook, {since}, so "
     "{refused}.",
     "Restart the controller so that it serves the certificate the configuration trusts; keep its "
     "TLS secret over upgrades. A certificate that has expired is made anew first: by "
     "cert-manager, or by an upgrade of the chart once the old secret is deleted.",
     {RESTART_CONTROLLER, WEBHOOKS}},
    {"gates_not_used",
     "Namespace {ns} has no label {a}, so its pods get no readiness gate[: {pods} of {workload} "
     "{has} none for binding {binding}]. Rollouts there do not wait for the load balancer.",
     "Label the namespace, then restart the workload: gates are set when a pod is made.",
     {"kubectl label namespace {ns} {a}=enabled", RESTART}},
    {"gate_missing_wrong_label",
     "Namespace {ns} was meant to have readiness gates, but its {b} does not ask for them[: {pods} "
     "of {workload} {has} no gate]. What counts is the namespace label {a}=enabled.",
     "Set the label exactly so, then restart the workload.",
     {"kubectl label --overwrite namespace {ns} {a}=enabled", RESTART, LABEL}},
    {"gate_missing_pod_predates_binding",
     "{Pods} of {workload} {has} no gate for binding {binding}, being older than {a} ({b}): gates "
     "are set only when a pod is made.",
     "Restart the workload. To avoid it, make Service, Ingress and label before the pods.",
     {RESTART, DESCRIBE_BINDING}},
    {"gate_missing_target_type",
     "Binding {binding} has targets of type instance, for which there are no readiness gates: "
     "{pods} of {workload} {has} none.",
     "Use targets of type ip where rollouts should wait for the load balancer.",
     {DESCRIBE_BINDING}},
    {"gate_missing_opted_out",
     "The {a} of the controller's webhook excludes {pods} of {workload}, so {it} {has} no gate for "
     "binding {binding}. It asks for: {b}.",
     "If the pods should have gates, give them what the selector asks for and restart the "
     "workload.",
     {"kubectl -n {ns} get pod {pod} --show-labels", WEBHOOKS, RESTART}},
    {"gate_missing_selector_moved",
     "Service {service} was moved to a revision whose {pods} {has} no gate for binding {binding}: "
     "the gate is set when a pod is made, and the Service was elsewhere then.",
     "Use ping-pong Services or the target group verification of Argo Rollouts.",
     {"kubectl -n {ns} get service {service} -o yaml", HEALTH}},
    {"gate_missing_injection_failed",
     "{Pods} of {workload} {has} no gate for binding {binding}: the controller's webhook was down "
     "when {it} {was} made, and its failure policy is Ignore.",
     "Once the controller runs, restart the workload.",
     {CONTROLLER_PODS, RESTART}},
    {"gate_missing",
     "{Pods} of {workload} {has} no gate for binding {binding}: {b}.",
     "{a}",
     {RESTART, CONTROLLER_LOGS, LABEL}},
    {"gate_legacy_type",
     "{Pods} of {workload} wait{s} for {a}, a gate of the ALB Ingress Controller v1, which nobody "
     "opens here any more.",
     "Take the old gate out of the pod template if it stands there, label the namespace for the "
     "new controller, and restart the workload.",
     {"kubectl -n {ns} edit {target}", "kubectl label namespace {ns} {b}=enabled", RESTART}},
    {"gate_binding_gone",
     "{Pods} of {workload} wait{s} {since} for a binding {a} that does not exist: the gate can "
     "never open.",
     "Delete {these}: what comes after gets the gates of today's bindings.",
     {DELETE_PODS, "kubectl -n {ns} get {tgb}"}},
    {"gate_in_pod_template",
     "The pod template of {workload} names the gate of binding {a} by hand, and that binding does "
     "not take these pods: {pods} can never be ready.",
     "Remove readinessGates from the template: the controller sets them.",
     {"kubectl -n {ns} edit {target}"}},
    {"gate_service_does_not_select_pod",
     "Binding {binding} does not take {pods} of {workload} any more, so {its} gate stays as it is "
     "for ever: {a}.",
     "{b}",
     {DELETE_POD, "kubectl -n {ns} get service {service} -o yaml",
      "kubectl -n {ns} get pod {pod} --show-labels"}},
    {"other_gate_closed",
     "{Pods} of {workload} wait{s} {since} for gate {a} of another "
     "controller{:b}",
     "Ask the controller that owns the gate.",
     {DESCRIBE_POD}},
    {"gate_owner_unknown",
     "{Pods} of {workload} wait{s} {since} for gate {a}, whose owner is not "
     "known here{:b}",
     "Find who sets this condition, by the domain in its name.",
     {DESCRIBE_POD}},
    {"controller_not_acting",
     "The load balancer controller does not act on {pods} of {workload} {since}: containers are "
     "ready, the address is published, and no condition of binding {binding} is there{(a)}.",
     "Read the controller's log for this binding (before v3.1.0 a refused registration shows only "
     "there); restarting it clears a long back-off.",
     {CONTROLLER_LOGS, RESTART_CONTROLLER, DESCRIBE_BINDING}},
    {"kubelet_lagging",
     "All is there for {pods} of {workload}, {since}: containers are ready and every gate is open. "
     "Yet kubelet on {nodes} does not call {them} ready.",
     "See whether kubelet works there; restarting it, or deleting {these}, helps.",
     {"kubectl describe node {nodes}", DESCRIBE_POD, DELETE_PODS}},
    {"controller_lagging",
     "ELBv2 calls the target of {pods} of {workload} healthy {since}, but the controller has not "
     "opened the gate of binding {binding}{(a)}.",
     "See whether the controller is throttled or short of workers. Restarted it looks at all anew, "
     "after some 20 s, unless AWS throttles it.",
     {CONTROLLER_LOGS, HEALTH, RESTART_CONTROLLER}},
    {"controller_checkpoint_stale",
     "ELBv2 calls the target of {pods} of {workload} healthy {since}, but the controller skips "
     "binding {binding}: it thinks nothing has changed since its checkpoint.",
     "Touch the binding to wake it; upgrade the controller to v3.4.0 or later.",
     {"kubectl -n {ns} annotate --overwrite {tgb} {binding} "
      "elbv2.k8s.aws/checkpoint=",
      CONTROLLER_LOGS}},
    {"controller_throttled",
     "AWS throttles the load balancer controller: {pods} of {workload} wait{s} {since} though "
     "nothing else is wrong with binding {binding}.",
     "Lower the controller's rate (--aws-api-throttle), use fewer bindings an account and region, "
     "or ask AWS for a higher limit.",
     {CONTROLLER_LOGS, DESCRIBE_BINDING}},
    {"controller_cannot_patch_pods",
     "The controller cannot write the status of pods: the targets are registered, yet {pods} of "
     "{workload} {has} no condition for binding {binding} {since}.",
     "Give the controller's ClusterRole the verbs patch and update on pods/status.",
     {"kubectl auth can-i patch pods --subresource=status -n {ns} "
      "--as=system:serviceaccount:{cns}:aws-load-balancer-controller",
      CONTROLLER_LOGS}},
    {"controller_stalled",
     "The load balancer controller has stopped, {since}: {b}.[ {Pods} of {workload} wait{s} for "
     "it.]",
     "See whether its pods run, and restart it.",
     {"kubectl -n {a} get pods -l app.kubernetes.io/name=aws-load-balancer-controller -o wide",
      "kubectl -n {a} logs deployment/aws-load-balancer-controller --since=15m",
      "kubectl -n {a} rollout restart deployment/aws-load-balancer-controller"}},
    {"endpoints_stale",
     "{Pods} of {workload} {is} ready but for the gate, and {its} address is in no EndpointSlice "
     "of "
     "Service {service} {since}, so it cannot be registered.",
     "See whether the endpoint slice controller works, and that the Service selects the pod.",
     {"kubectl -n {ns} get endpointslices -l kubernetes.io/service-name={service} -o wide",
      "kubectl -n {ns} get pod {pod} -o wide --show-labels"}},
    {"controller_credentials",
     "The load balancer controller cannot get credentials for AWS, so it does nothing for binding "
     "{binding}{:a}[ {Pods} of {workload} wait{s} {since}.]",
     "{b}",
     {DESCRIBE_BINDING, "kubectl -n {cns} get serviceaccount aws-load-balancer-controller -o yaml",
      CONTROLLER_LOGS}},
    {"register_denied",
     "AWS denies the controller RegisterTargets on the group of binding {binding}[: {pods} of "
     "{workload} wait{s} {since} and cannot be registered].",
     "Allow elasticloadbalancing:RegisterTargets on the target group in the controller's IAM "
     "policy.",
     {DESCRIBE_BINDING, GROUP, CONTROLLER_LOGS}},
    {"deregister_denied",
     "AWS denies the controller DeregisterTargets on the group of binding {binding}, which it does "
     "first, so nothing new is registered either[: {pods} of {workload} wait{s} {since}].",
     "Allow elasticloadbalancing:DeregisterTargets on the target group in the controller's IAM "
     "policy.",
     {DESCRIBE_BINDING, CONTROLLER_LOGS}},
    {"describe_denied",
     "AWS denies the controller DescribeTargetHealth for binding {binding}: its gates stay as they "
     "are[, and {pods} of {workload} wait{s} {since}].",
     "Allow elasticloadbalancing:DescribeTargetHealth (on resource *) in the controller's IAM "
     "policy.",
     {DESCRIBE_BINDING, CONTROLLER_LOGS}},
    {"binding_cleanup_failing",
     "Binding {binding} is being deleted {since} and does not go{:a}[ {Pods} of {workload} "
     "depend{s} on it: a closed gate stays closed meanwhile, and an open one says nothing.]",
     "Treat what the message names: a permission, or the controller's webhook. Where no controller "
     "runs any more, or as a last resort, remove the finalizer, and the targets by hand.",
     {DESCRIBE_BINDING, CONTROLLER_LOGS,
      "kubectl -n {ns} patch {tgb} {binding} --type=merge -p "
      "'{\"metadata\":{\"finalizers\":null}}'"}},
    {"target_port_missing",
     "Service {service} sends {a} to the named port {b}, which no container of {pods} of "
     "{workload} "
     "has: its address is published without a port, so nothing is registered for binding "
     "{binding}, "
     "{since}.",
     "Give the container's port that name, or correct targetPort in the Service.",
     {"kubectl -n {ns} get service {service} -o yaml",
      "kubectl -n {ns} get pod {pod} -o jsonpath='{.spec.containers[*].ports}'"}},
    {"register_quota_exceeded",
     "The target group of binding {binding} takes no more targets[: {pods} of {workload} wait{s} "
     "{since}].",
     "Raise the quota (targets per target group or load balancer), or the controller's "
     "--max-targets-per-target-group, or spread the pods over more groups.",
     {DESCRIBE_BINDING, "aws service-quotas list-service-quotas --region {region} --service-code "
                        "elasticloadbalancing"}},
    {"register_address_family",
     "The controller registers addresses of the wrong family in the group of binding {binding}"
     "[: {pods} of {workload} wait{s} {since}].",
     "Upgrade the controller to v3.4.1 or later, or use one address family in the Service.",
     {"kubectl -n {ns} get service {service} -o yaml", GROUP}},
    {"target_group_gone",
     "The target group of binding {binding} does not exist[: {pods} of {workload} cannot be "
     "served, {since}].",
     "Correct the ARN in the binding or make the target group again, or delete the binding (the "
     "controller makes a new one for an Ingress or Service).",
     {GROUP, DESCRIBE_BINDING}},
    {"security_group_ambiguous",
     "A network interface of the pods does not have exactly one security group with the cluster's "
     "tag, so the controller cannot write the rules for binding {binding}, {since}{:a}[ {Pods} of "
     "{workload} {is} out of the load balancer's reach.]",
     "Leave the tag kubernetes.io/cluster/NAME on exactly one of the security groups.",
     {DESCRIBE_BINDING, "aws ec2 describe-security-groups --region {region} --filters "
                        "'Name=tag-key,Values=kubernetes.io/cluster/*'"}},
    {"network_reconcile_failed",
     "The controller cannot write the security group rules for binding {binding}, {since}{:a}[ "
     "{Pods} of {workload} {is} out of the load balancer's reach.]",
     "Read the message, and see that the load balancer may reach the pods on the check port.",
     {DESCRIBE_BINDING, CONTROLLER_LOGS}},
    {"register_failed",
     "The controller cannot register targets for binding {binding}{:a}[ {Pods} of {workload} "
     "wait{s} {since}.]",
     "Read the message.{ b}",
     {DESCRIBE_BINDING, CONTROLLER_LOGS}},
    {"registration_in_progress",
     "{Pods} of {workload} {is} being registered with the load balancer {since}.{ usual}",
     "{wait} look at the load balancer's state, its zones and subnets; if all is well there, ask "
     "AWS.",
     {HEALTH, DESCRIBE_POD}},
    {"initial_health_checks",
     "The load balancer makes its first health checks on {pods} of {workload} {since}.{ usual}",
     "{wait} see whether the app listens on the check port.",
     {HEALTH, DESCRIBE_POD}},
    {"gate_awaits_recheck",
     "ELBv2 calls the target of {pods} of {workload} healthy {since}; the gate of binding "
     "{binding} opens when the controller looks again{(a)}.",
     "Wait: there is nothing to do. A gate that is still closed {b} after its target became "
     "healthy is late, and the controller is named as the cause then.",
     {HEALTH, DESCRIBE_POD}},
    {"health_check_code_mismatch",
     "The health check of binding {binding} gets another HTTP code than it expects from {pods} of "
     "{workload}, {since}{:b}{ check}",
     "Compare the check's path, port and expected codes with what the app answers.{ advice}",
     {HEALTH, GROUP, "kubectl -n {ns} logs {pod} --since=5m"}},
    {"health_check_timeout",
     "The health check of binding {binding} gets no answer in time from {pods} of {workload}, "
     "{since}.{ check}",
     "See whether the security groups let the load balancer reach the pod on the check port, and "
     "whether the app is slow.",
     {HEALTH, GROUP, DESCRIBE_POD}},
    {"health_check_failed",
     "The health check of binding {binding} fails on {pods} of {workload}, {since}{:b}{ check}",
     "See whether the app listens on the check port and speaks the check's protocol, and whether "
     "the connection is refused.",
     {HEALTH, GROUP, "kubectl -n {ns} logs {pod} --since=5m"}},
    {"health_check_internal_error",
     "The load balancer cannot tell the health of {pods} of {workload} because of an error of its "
     "own, {since}{:b}",
     "Wait a little; if it lasts, ask AWS.",
     {HEALTH}},
    {"app_needs_own_endpoints",
     "All pods of {workload} wait for one another, it seems: none is ready, and Service {a}, by "
     "which they find their peers, hides them until they are.",
     "Set publishNotReadyAddresses: true on the Service that peers use.",
     {"kubectl -n {ns} patch service {a} -p '{\"spec\":{\"publishNotReadyAddresses\":true}}'",
      "kubectl -n {ns} logs {pod}"}},
    {"target_group_not_in_use",
     "No listener or rule of a load balancer sends traffic to the target group of binding "
     "{binding}: {pods} of {workload} cannot become healthy.",
     "Attach the group to a listener or rule, with a weight above 0.",
     {GROUP, HEALTH}},
    {"target_zone_not_enabled",
     "The load balancer is not enabled in zone {a}, where {pods} of {workload} run{s}: {it} cannot "
     "become healthy there.",
     "Add a subnet of that zone to the load balancer, or keep the pods out of the zone.",
     {HEALTH, "kubectl get node {node} --show-labels"}},
    {"target_ip_unusable",
     "The address of {pods} of {workload} is in use by a load balancer and cannot be a target, "
     "{since}.",
     "Delete {these}, so that what comes after gets another address.",
     {DELETE_PODS, HEALTH}},
    {"target_invalid_state",
     "ELBv2 calls the instance behind {pods} of {workload} stopped or terminated, {since}.",
     "See what became of the node.",
     {HEALTH, "kubectl get node {node}"}},
    {"target_not_registered",
     "ELBv2 does not have {pods} of {workload} in the group of binding {binding} (it says: {a}), "
     "{since}, though the controller registers {them}.",
     "See who deregisters {them}, and whether another cluster or tool works on the same group.",
     {HEALTH, CONTROLLER_LOGS, DESCRIBE_BINDING}},
    {"health_checks_disabled",
     "Health checks are disabled for the group of binding {binding}: the gate of {pods} of "
     "{workload} never opens.",
     "Enable health checks on the target group. AWS keeps them on where the group is of type ip, "
     "so see that it is.",
     {GROUP, "aws elbv2 modify-target-group --region {region} --target-group-arn {arn} "
             "--health-check-enabled"}},
    {"binding_backend_not_found",
     "{a}, which binding {binding} names, does not exist: the controller takes its targets out "
     "and opens every gate.[ {Pods} of {workload} {is} {b}.]",
     "Make Service {service} with that port again, or correct the Ingress or binding. Gates that "
     "were forced open close then until their targets are healthy anew, and pods made meanwhile "
     "have none: restart the workload for those.",
     {"kubectl -n {ns} get service {service} -o yaml", DESCRIBE_BINDING}},
    {"binding_deleted",
     "The load balancer has no binding for {pods} of {workload}{:a}",
     "If it should serve them, have the controller make the binding (it does when the Ingress or "
     "Service is edited, once nothing it names is in the way), then restart the workload.",
     {"kubectl -n {ns} get {tgb}", "kubectl -n {ns} describe {b}",
      "kubectl -n {ns} annotate --overwrite {b} gatehouse.dev/touched=$(date +%s)"}},
    {"load_balancer_not_deployed",
     "The controller cannot deploy {a} to its load balancer, {since}{:b}[ {Pods} of {workload} "
     "{is} behind none.]",
     "Treat what the message names (subnets, certificate, permission, quota, annotation); the "
     "controller tries again by itself.",
     {"kubectl -n {ns} describe {a}", CONTROLLER_LOGS}},
    {"target_unhealthy_after_open",
     "{Pods} of {workload} {is} called ready, but ELBv2 does not call {its} target of binding "
     "{binding} healthy ({a}), {since}. Nothing in Kubernetes shows it.",
     "Treat the reason that ELBv2 gives. The gate stays open until the controller happens to read "
     "the whole group anew, in minutes or in hours: then {these} {is} ready no longer.",
     {HEALTH, "kubectl -n {ns} logs {pod} --since=5m", DELETE_POD}},
    {"target_deregistered_while_serving",
     "{Pods} of {workload} {is} called ready, but ELBv2 has no target for {them} in the group of "
     "binding {binding} ({a}), {since}. Nothing in Kubernetes shows it.",
     "Find who deregistered {them}. Touching the binding lets the controller register {them} "
     "again, once its last look at the whole group is five minutes old: touch it again where "
     "nothing happens.",
     {HEALTH,
      "kubectl -n {ns} annotate --overwrite {tgb} {binding} "
      "elbv2.k8s.aws/checkpoint=",
      DESCRIBE_BINDING}},
    {"target_group_shared",
     "The target group of binding {binding} has more than one owner: {a}. Owners take each other's "
     "targets out.[ {Pods} of {workload} {is} out of it, {since}.]",
     "Leave it to one owner, or set spec.multiClusterTargetGroup on all of its bindings.",
     {"kubectl get {tgb} -A -o wide", HEALTH}},
    {"container_restarted_after_open",
     "Containers of {pods} of {workload} went away after the gate of binding {binding} had opened: "
     "the target was taken out and is registered anew, {since}.",
     "See why the containers were not ready; until the target is healthy again the pod serves "
     "nothing.",
     {"kubectl -n {ns} logs {pod} -c {b} --previous", DESCRIBE_POD, HEALTH}},
    {"serving_pod_gate_closed",
     "{Pods} of {workload} served and lost {its} gate of binding {binding}, {since}: {a}.",
     "See what changed at that moment: Service, labels, selector, target group.",
     {DESCRIBE_BINDING, HEALTH, "kubectl -n {ns} get events --sort-by=.lastTimestamp"}},
    {"load_balancer_fail_open",
     "Every target of the group of binding {binding} is unhealthy, {since}: the load balancer "
     "sends to all of them, healthy or not.",
     "Treat why the targets are unhealthy: this is an outage in waiting.",
     {HEALTH, GROUP}},
    {"drain_shorter_than_deregistration",
     "Pods of {workload} end before the load balancer stops sending to them, so requests are lost: "
     "{a}.",
     "Give the pods a preStop sleep that covers the time until their targets are taken out (15 s "
     "or more), and a grace period that covers it and the longest request.",
     {"kubectl -n {ns} get {target} -o yaml", HEALTH}},
    {"progress_deadline_exceeded",
     "The rollout of {workload} has passed its progress deadline, {since}{:a}",
     "Treat the cause beside this one, or go back to the last revision.",
     {UNDO, "kubectl -n {ns} describe {target}"}},
    {"rollout_aborted",
     "Argo Rollouts has given up the rollout of {workload}, {since}{:a}",
     "Treat what the message names, then let it try again, or go back to the last revision.",
     {"kubectl argo rollouts -n {ns} get rollout {name}",
      "kubectl argo rollouts -n {ns} retry rollout {name}", UNDO}},
    {"rollout_paused",
     "The rollout of {workload} is paused, {since} ({a}).",
     "Resume it when it should go on.",
     {RESUME}},
    {"budget_blocks_eviction",
     "PodDisruptionBudget {a} allows no eviction now, since {b} pods of {workload} wait at their "
     "gates: a node drain waits too.",
     "Wait for the gates; the rollout's own cause tells which.",
     {"kubectl -n {ns} get poddisruptionbudget {a}"}},
    {"autoscaler_waits",
     "HorizontalPodAutoscaler {a} does not count {b} pods of {workload} that wait at their gates, "
     "so it scales up slowly.",
     "Expect the old pods to carry the load until the gates open.",
     {"kubectl -n {ns} get horizontalpodautoscaler {a}"}},
    {"data_stale",
     "What is shown is old: Kubernetes has sent no sign of life {since}.",
     "See gatehouse's own log and its way to the API server.",
     {0}},
    {"kubernetes_unreachable",
     "The Kubernetes API cannot be reached, {since}{:a}",
     "See gatehouse's way to the API server: address, network, certificate.",
     {0}},
    {"kubernetes_denied",
     "Kubernetes denies a read that answers need{:a}",
     "Give gatehouse's account the read rights of the manifests in config/.",
     {0}},
    {"aws_denied",
     "AWS denies gatehouse a read{:a}",
     "Give its role the read actions of the IAM policy in config/. Pods are still judged by their "
     "conditions.",
     {GROUP}},
    {"aws_throttled",
     "AWS throttles gatehouse's reads{:a}",
     "Target health is looked at less often for a while; lower the rate if it lasts.",
     {0}},
    {"aws_unreachable",
     "AWS cannot be reached, {since}{:a}",
     "See gatehouse's way to the ELBv2 endpoint and its credentials. Pods are still judged by "
     "their "
     "conditions.",
     {0}},
    {"unexplained",
     "[{Pods} of {workload} {is} late {since}]<The rollout of {workload} does not get on, "
     "{since}>, "
     "and none of the known causes holds{(b)}{:a}",
     "No fault was found in nodes, containers, pod creation, gates, bindings, registration, target "
     "health and the controller, as far as they can be read; the evidence lists what they say. "
     "Read "
     "the pod's events and the controller's log for what is not seen here.",
     {DESCRIBE_POD, "kubectl -n {ns} describe {target}", DESCRIBE_BINDING, CONTROLLER_LOGS}},
};

/* Other tools have other commands: Argo's Rollouts are no business of kubectl rollout, and a bare
 * ReplicaSet knows no restart. */
const char *cause_command_for(const char *kind, const char *command)
{
    static const struct {
        const char *command;
        const char *argo;
    } moves[] = {{RESTART, "kubectl argo rollouts -n {ns} restart {name}"},
                 {UNDO, "kubectl argo rollouts -n {ns} undo {name}"},
                 {RESUME, "kubectl argo rollouts -n {ns} promote {name}"}};
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        if (strcmp(command, moves[i].command) != 0) {
            continue;
        }
        bool rolls = strcmp(kind, "Deployment") == 0 || strcmp(kind, "StatefulSet") == 0 ||
                     strcmp(kind, "DaemonSet") == 0;
        return rolls ? command : strcmp(kind, "Rollout") == 0 ? moves[i].argo : NULL;
    }
    return command;
}

const struct cause_text *cause_text_of(const char *code)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].code, code) == 0) {
            return &texts[i];
        }
    }
    return NULL;
}
