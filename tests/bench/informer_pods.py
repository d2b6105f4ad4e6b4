"""Fills a real control plane with gated pods as a cluster on EKS has them, through its API: called by tests/bench/informer.

A hundred pods a Deployment, each with its ReplicaSet, Service and TargetGroupBinding, in twenty namespaces. A pod is
created as a controller creates it and gets its status as kubelet writes it, by another field manager, so that
managedFields are the server's own. Nine of ten gates are open.
"""
from __future__ import annotations

import http.client
import json
import multiprocessing
import pathlib
import ssl
import sys
import uuid
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "real"))

import objects  # noqa: E402
from control_plane import ADMIN_TOKEN, ControlPlane  # noqa: E402

NAMESPACES, PODS_EACH, WORKERS = 20, 100, 4
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SINCE = "2026-05-04T09:21:33Z"


def digits(n: int, length: int = 5) -> str:
    text = ""
    for _ in range(length):
        text, n = ALPHABET[n % len(ALPHABET)] + text, n // len(ALPHABET)
    return text


def place(app: int) -> tuple[str, str]:
    return f"team-{app % NAMESPACES:02}", f"service-{app:03}"


def labels(name: str, revision: str) -> dict[str, str]:
    return {"app": name, "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": f"{name}-3.14.2", "pod-template-hash": revision}


def container(name: str, image: str, token: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 2}
    env = [{"name": key, "value": f"https://{key.lower().replace('_', '-')}.internal.example.com:8443/v1"}
           for key in ("DATABASE_URL", "CACHE_URL", "QUEUE_URL")]
    env += [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for key, path in (("POD_NAME", "metadata.name"), ("POD_IP", "status.podIP"))]
    env += [{"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}}]
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "env": env,
            "args": ["--listen=0.0.0.0:8080", "--log-format=json", "--shutdown-delay=15s"],
            "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
            "readinessProbe": probe, "livenessProbe": {**probe, "initialDelaySeconds": 30},
            "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                                "readOnlyRootFilesystem": True},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/service", "readOnly": True},
                             {"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                              "readOnly": True}]}


def pod(app: int, number: int, owner_uid: str) -> dict[str, Any]:
    ns, name = place(app)
    revision = digits(app * 7919, 9)
    token = f"kube-api-access-{digits(number)}"
    sources = [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
               {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": ns, "name": f"{name}-{revision}-{digits(number)}", "labels": labels(name, revision),
                     "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090",
                                     "checksum/config": uuid.uuid5(uuid.NAMESPACE_DNS, name).hex * 2},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-{revision}",
                                          "uid": owner_uid, "controller": True, "blockOwnerDeletion": True}]},
        "spec": {"nodeName": f"ip-10-{number % 100}-1-17.eu-central-1.compute.internal", "serviceAccountName": name,
                 "containers": [container("app", f"registry.example.com/shop/{name}:3.14.2", token),
                                {"name": "proxy", "image": "registry.example.com/platform/proxy:1.31.0",
                                 "ports": [{"name": "proxy", "containerPort": 15001}],
                                 "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}}],
                 "volumes": [{"name": "config", "configMap": {"name": f"{name}-config"}},
                             {"name": token, "projected": {"sources": sources}}],
                 "tolerations": [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute",
                                  "tolerationSeconds": 300} for key in ("not-ready", "unreachable")],
                 "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                                                "whenUnsatisfiable": "ScheduleAnyway",
                                                "labelSelector": {"matchLabels": {"app": name}}}],
                 "readinessGates": [{"conditionType": objects.gate_name(name)}]}}


def status(body: dict[str, Any], app: int, number: int) -> dict[str, Any]:
    address = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"
    is_open = number % 10 != 0
    gate = {"type": objects.gate_name(place(app)[1]), "status": "True" if is_open else "False",
            "lastTransitionTime": SINCE}
    ready = {"type": "Ready", "status": "True" if is_open else "False", "lastTransitionTime": SINCE}
    if not is_open:
        gate |= {"reason": "Elb.InitialHealthChecking", "message": "Target health checks in progress"}
        ready |= {"reason": "ReadinessGatesNotReady", "message": "the status of pod readiness gate "
                  f"\"{gate['type']}\" is not \"True\", but False"}
    fine = [{"type": kind, "status": "True", "lastTransitionTime": SINCE}
            for kind in ("PodReadyToStartContainers", "Initialized", "ContainersReady", "PodScheduled")]
    return {"phase": "Running", "hostIP": "10.0.1.17", "hostIPs": [{"ip": "10.0.1.17"}], "podIP": address,
            "podIPs": [{"ip": address}], "qosClass": "Burstable", "startTime": SINCE,
            "conditions": [gate, ready, *fine],
            "containerStatuses": [
                {"name": c["name"], "image": c["image"], "ready": True, "started": True, "restartCount": 0,
                 "imageID": f"{c['image'].split(':')[0]}@sha256:{'0123456789abcdef' * 4}",
                 "containerID": f"containerd://{uuid.uuid4().hex * 2}", "state": {"running": {"startedAt": SINCE}}}
                for c in body["spec"]["containers"]]}


class Connection:
    """One kept connection; a request that the server asks to repeat is repeated."""

    def __init__(self, port: int, ca: str) -> None:
        self.http = http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(cafile=ca))

    def send(self, method: str, path: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        self.http.request(method, f"{path}?fieldManager={manager}", json.dumps(body), headers)
        with self.http.getresponse() as answer:
            text = answer.read()
        if answer.status not in (200, 201):
            raise AssertionError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def create(task: tuple[int, str, int, int]) -> int:
    """Every WORKERS-th Deployment with its pods; the bytes of one pod."""
    port, ca, worker, pods = task
    size = 0
    connection = Connection(port, ca)
    for app in range(worker, pods // PODS_EACH, WORKERS):
        ns, name = place(app)
        owner = connection.send("POST", f"/apis/apps/v1/namespaces/{ns}/replicasets", replicaset(app, connection),
                                "kube-controller-manager")
        for number in range(app * PODS_EACH, (app + 1) * PODS_EACH):
            made = connection.send("POST", f"/api/v1/namespaces/{ns}/pods", pod(app, number, owner["metadata"]["uid"]),
                                   "kube-controller-manager")
            made["status"] = status(made, app, number)
            made = connection.send("PUT", f"/api/v1/namespaces/{ns}/pods/{made['metadata']['name']}/status", made,
                                   "kubelet")
            size = len(json.dumps(made, separators=(",", ":")))
    return size


def replicaset(app: int, connection: Connection) -> dict[str, Any]:
    """Of a Deployment, with Service and TargetGroupBinding, that this makes first."""
    ns, name = place(app)
    revision = digits(app * 7919, 9)
    deployment = objects.workload(ns, name, replicas=PODS_EACH)
    for obj, path in ((objects.service(ns, name), f"/api/v1/namespaces/{ns}/services"),
                      (objects.binding(ns, name), f"/apis/elbv2.k8s.aws/v1beta1/namespaces/{ns}/targetgroupbindings")):
        connection.send("POST", path, obj, "helm")
    made = connection.send("POST", f"/apis/apps/v1/namespaces/{ns}/deployments", deployment, "helm")
    made["status"] = {"observedGeneration": made["metadata"]["generation"], "replicas": PODS_EACH,
                      "updatedReplicas": PODS_EACH, "readyReplicas": PODS_EACH * 9 // 10}
    made = connection.send("PUT", f"/apis/apps/v1/namespaces/{ns}/deployments/{name}/status", made,
                           "kube-controller-manager")
    template = made["spec"]["template"]
    template["metadata"]["labels"] = labels(name, revision)
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"namespace": ns, "name": f"{name}-{revision}", "labels": labels(name, revision),
                         "annotations": {"deployment.kubernetes.io/revision": "1"},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                                              "uid": made["metadata"]["uid"], "controller": True,
                                              "blockOwnerDeletion": True}]},
            "spec": {"replicas": PODS_EACH, "selector": {"matchLabels": {"app": name, "pod-template-hash": revision}},
                     "template": template}}


def fill(plane: ControlPlane, pods: int) -> int:
    """Creates them; the bytes of one in JSON."""
    plane.apply(*(objects.namespace(f"team-{n:02}") for n in range(NAMESPACES)))
    with multiprocessing.Pool(WORKERS) as pool:
        return max(pool.map(create, [(plane.port, str(plane.folder / "ca.crt"), w, pods) for w in range(WORKERS)]))
