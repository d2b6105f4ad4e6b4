"""The Kubernetes API: lists, pages, watches, writes, discovery, authentication."""
from __future__ import annotations

import base64
import gzip
import json
import pathlib
import unittest
from typing import Any

from server import Server

Json = Any
RECORDED = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "kubernetes"
PODS = "/api/v1/namespaces/shop/pods"
MERGE = "application/merge-patch+json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def recorded(name: str) -> Json:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def names(doc: Json) -> list[str]:
    return [i["metadata"]["name"] for i in doc["items"]]


class Api(unittest.TestCase):
    """One simulator with a clock that stands still after ten seconds."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("basic.yaml", "--manual-clock")
        cls.server.sim("clock", advance="10s")

    @classmethod
    def tearDownClass(cls) -> None:
        state = cls.server.get("/_sim/state").json()
        took = cls.server.stop()
        assert state["errors"] == [], state["errors"]
        assert took < 1.0, f"SIGTERM took {took} s"

    def touch(self, name: str, value: str) -> Json:
        return self.server.send("PATCH", f"{PODS}/{name}", {"metadata": {"labels": {"touch": value}}}, MERGE).json()

    def configmap(self, name: str, **data: str) -> Json:
        return self.server.send("POST", "/api/v1/namespaces/shop/configmaps", {"metadata": {"name": name}, "data": data}).json()

    # Lists

    def test_a_list_is_shaped_like_a_real_one(self) -> None:
        mine, real = self.server.get("/api/v1/pods").json(), recorded("pods.json")
        self.assertEqual(list(real), list(mine))
        self.assertEqual(set(real["metadata"]), set(mine["metadata"]))
        pod = mine["items"][0]
        self.assertNotIn("kind", pod)
        real_pod = next(p for p in real["items"] if p["metadata"]["name"] == "db-0")
        self.assertLessEqual(set(real_pod["metadata"]) - {"managedFields"}, set(pod["metadata"]))
        self.assertEqual(set(real_pod["status"]), set(pod["status"]))
        self.assertEqual(set(real_pod["spec"]) - {"hostname", "subdomain"}, set(pod["spec"]) - {"readinessGates"})
        custom = self.server.get("/apis/elbv2.k8s.aws/v1beta1/targetgroupbindings").json()
        self.assertEqual("TargetGroupBinding", custom["items"][0]["kind"])

    def test_pages_are_of_one_moment(self) -> None:
        all_ = names(self.server.get("/api/v1/pods").json())
        first = self.server.get("/api/v1/pods?limit=2").json()
        self.assertEqual(len(all_) - 2, first["metadata"]["remainingItemCount"])
        self.configmap("between")
        got, token, rv = names(first), first["metadata"]["continue"], first["metadata"]["resourceVersion"]
        while token:
            page = self.server.get(f"/api/v1/pods?limit=2&continue={token}").json()
            self.assertEqual(rv, page["metadata"]["resourceVersion"])
            got += names(page)
            token = page["metadata"].get("continue")
        self.assertEqual(all_, got)
        path = "/api/v1/namespaces/kube-system/configmaps"
        for name in "abc":
            self.server.send("POST", path, {"metadata": {"name": name}})
        first = self.server.get(path + "?limit=1").json()
        self.server.send("DELETE", path + "/b", {})
        self.server.send("POST", path, {"metadata": {"name": "d"}})
        rest = self.server.get(path + "?continue=" + first["metadata"]["continue"]).json()
        self.assertEqual(["a", "b", "c"], names(first) + names(rest), "as it was at the first page")
        self.assertEqual(["a", "c", "d"], names(self.server.get(path).json()))
        self.assertNotIn("remainingItemCount", self.server.get("/api/v1/pods?limit=2&labelSelector=app").json()["metadata"])
        self.assertNotIn("continue", self.server.get("/api/v1/pods?limit=2&resourceVersion=0").json()["metadata"])

    def test_an_expired_token_offers_an_inconsistent_one(self) -> None:
        first = self.server.get("/api/v1/pods?limit=2").json()
        self.server.sim("expire-tokens")
        reply = self.server.get("/api/v1/pods?limit=2&continue=" + first["metadata"]["continue"])
        self.assertEqual(410, reply.status)
        mine, real = reply.json(), recorded("status-410-continue.json")
        token = mine["metadata"].pop("continue")
        real["metadata"].pop("continue")
        self.assertEqual(real, mine)
        self.assertEqual(-1, json.loads(base64.urlsafe_b64decode(token + "=="))["rv"])
        rest = self.server.get("/api/v1/pods?continue=" + token).json()
        self.assertEqual(names(self.server.get("/api/v1/pods").json())[2:], names(rest))

    def test_resource_version_rules(self) -> None:
        get = self.server.get
        now = int(get("/api/v1/pods").json()["metadata"]["resourceVersion"])
        self.configmap("one")
        exact = get(f"/api/v1/configmaps?resourceVersion={now}&resourceVersionMatch=Exact").json()
        self.assertNotIn("one", names(exact))
        self.assertEqual(str(now), exact["metadata"]["resourceVersion"])
        self.assertIn("one", names(get(f"/api/v1/configmaps?resourceVersion={now}&resourceVersionMatch=NotOlderThan").json()))
        large = get("/api/v1/pods?resourceVersion=99999999")
        real = recorded("status-504-too-large.json")
        self.assertEqual((504, real["details"], "1"), (large.status, large.json()["details"], large.headers["Retry-After"]))
        self.assertEqual(422, get("/api/v1/pods?resourceVersionMatch=Exact").status)
        self.assertEqual(422, get("/api/v1/pods?resourceVersion=0&resourceVersionMatch=Exact").status)
        self.assertEqual(400, get("/api/v1/pods?resourceVersion=abc").status)
        self.assertEqual(400, get("/api/v1/pods?continue=x!").status)
        self.server.sim("compact", resource="configmaps")
        self.assertEqual(recorded("status-410-exact.json"),
                         get(f"/api/v1/configmaps?resourceVersion={now}&resourceVersionMatch=Exact").json())

    def test_selectors(self) -> None:
        get = self.server.get
        for query, some in (("labelSelector=app%3Dgood", 3), ("labelSelector=app+in+(good,bad)", 5), ("labelSelector=!app", 0),
                            ("labelSelector=app!%3Dgood", 2), ("fieldSelector=status.phase%3DRunning", 5),
                            ("fieldSelector=status.phase!%3DRunning,metadata.namespace%3Dshop", 0)):
            self.assertEqual(some, len(get("/api/v1/pods?" + query).json()["items"]), query)
        self.assertEqual(400, get("/api/v1/pods?fieldSelector=spec.nope%3D1").status)
        warnings = get("/api/v1/events?fieldSelector=type!%3DNormal").json()["items"]
        self.assertTrue(all(e["type"] != "Normal" for e in warnings))

    def test_forms(self) -> None:
        table = self.server.get(PODS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
        self.assertEqual(("Table", 5), (table["kind"], len(table["rows"])))
        self.assertEqual("PartialObjectMetadata", table["rows"][0]["object"]["kind"])
        part = self.server.get(PODS, Accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").json()
        self.assertEqual(("PartialObjectMetadataList", {"metadata"}), (part["kind"], set(part["items"][0])))
        proto = self.server.get(PODS, Accept="application/vnd.kubernetes.protobuf,application/json")
        self.assertEqual("PodList", proto.json()["kind"])
        self.assertEqual(406, self.server.get(PODS, Accept="text/html").status)

    def test_large_lists_are_compressed_when_asked(self) -> None:
        self.configmap("large", text="x" * 200_000)
        reply = self.server.get("/api/v1/configmaps", Accept_Encoding="gzip")
        self.assertEqual("gzip", reply.headers["Content-Encoding"])
        self.assertIn("large", names(json.loads(gzip.decompress(reply.raw))))
        self.assertIsNone(self.server.get(PODS, Accept_Encoding="gzip").headers["Content-Encoding"])
        self.server.send("DELETE", "/api/v1/namespaces/shop/configmaps/large", {})

    # Watches

    def test_a_watch_goes_on_from_a_version(self) -> None:
        rv = self.server.get(PODS).json()["metadata"]["resourceVersion"]
        name = names(self.server.get(PODS).json())[0]
        self.touch(name, "1")
        stream = self.server.watch(PODS, resourceVersion=rv)
        self.touch(name, "2")
        events = stream.take(2)
        self.assertEqual(["MODIFIED", "MODIFIED"], [e["type"] for e in events])
        self.assertEqual(["1", "2"], [e["object"]["metadata"]["labels"]["touch"] for e in events])
        self.assertEqual(("Pod", "v1"), (events[0]["object"]["kind"], events[0]["object"]["apiVersion"]))
        stream.close()

    def test_an_object_that_leaves_the_selector_is_deleted_from_the_watch(self) -> None:
        name = names(self.server.get(PODS).json())[1]
        self.touch(name, "in")
        rv = self.server.get(PODS).json()["metadata"]["resourceVersion"]
        stream = self.server.watch(PODS, resourceVersion=rv, labelSelector="touch=in")
        changed = self.touch(name, "out")
        self.touch(name, "in")
        left, back = stream.take(2)
        self.assertEqual(("DELETED", "in", changed["metadata"]["resourceVersion"]),
                         (left["type"], left["object"]["metadata"]["labels"]["touch"], left["object"]["metadata"]["resourceVersion"]))
        self.assertEqual("ADDED", back["type"])
        stream.close()

    def test_an_old_version_is_an_error_event(self) -> None:
        self.configmap("old")
        self.server.sim("compact", resource="configmaps")
        stream = self.server.watch("/api/v1/configmaps", resourceVersion="1")
        mine = next(stream)
        real = json.loads((RECORDED / "watch-expired.ndjson").read_text(encoding="utf-8").splitlines()[0])
        self.assertRegex(mine["object"].pop("message"), r"^too old resource version: 1 \(\d+\)$")
        real["object"].pop("message")
        self.assertEqual(real, mine)
        self.assertEqual([], list(stream), "the stream ends after it")

    def test_watch_list_ends_its_start_with_a_bookmark_and_goes_on(self) -> None:
        stream = self.server.watch(PODS, sendInitialEvents="true", allowWatchBookmarks="true", resourceVersionMatch="NotOlderThan", resourceVersion="")
        first = stream.take(6)
        self.assertEqual(["ADDED"] * 5 + ["BOOKMARK"], [e["type"] for e in first])
        self.assertEqual({"k8s.io/initial-events-end": "true"}, first[-1]["object"]["metadata"]["annotations"])
        name = first[0]["object"]["metadata"]["name"]
        made = self.touch(name, "after")
        self.assertEqual(made["metadata"]["resourceVersion"], next(stream)["object"]["metadata"]["resourceVersion"])
        stream.close()

    def test_watch_list_can_be_off(self) -> None:
        query = "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        self.server.sim("options", watch_list=False)
        reply = self.server.get(PODS + query)
        self.server.sim("options", watch_list=True)
        self.assertEqual(422, reply.status)
        self.assertIn("sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled", reply.json()["message"])
        self.assertEqual(422, self.server.get(PODS + "?watch=1&sendInitialEvents=true").status)
        self.assertEqual(422, self.server.get(PODS + "?watch=1&resourceVersionMatch=NotOlderThan").status)

    def test_compressed_watch_list_has_a_member_a_flush(self) -> None:
        self.server.sim("options", watch_gzip=True)
        response = self.server.open("GET", PODS + "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
                                    "&timeoutSeconds=1", Accept_Encoding="gzip")
        raw = response.read()
        self.server.sim("options", watch_gzip=False)
        self.assertGreater(raw.count(b"\x1f\x8b\x08"), 1)
        lines = gzip.decompress(raw).splitlines()
        self.assertEqual("ADDED", json.loads(lines[0])["type"])

    def test_a_watch_ends_after_its_time_with_bookmarks(self) -> None:
        rv = self.server.get(PODS).json()["metadata"]["resourceVersion"]
        events = list(self.server.watch(PODS, resourceVersion=rv, timeoutSeconds="1", allowWatchBookmarks="true"))
        self.assertTrue(events and all(e["type"] == "BOOKMARK" for e in events))
        real = json.loads((RECORDED / "watchlist-pods.ndjson").read_text(encoding="utf-8").splitlines()[-1])
        real["object"]["metadata"]["resourceVersion"] = events[-1]["object"]["metadata"]["resourceVersion"]
        self.assertEqual(real, events[-1])

    # Writes

    def test_create_update_patch_delete(self) -> None:
        path = "/api/v1/namespaces/shop/configmaps"
        made = self.configmap("cm", a="1")
        self.assertEqual(409, self.server.send("POST", path, {"metadata": {"name": "cm"}}).status)
        stale = dict(made, data={"a": "2"})
        self.assertEqual(200, self.server.send("PUT", path + "/cm", stale).status)
        conflict = self.server.send("PUT", path + "/cm", stale)
        self.assertEqual((409, "Conflict"), (conflict.status, conflict.json()["reason"]))
        patched = self.server.send("PATCH", path + "/cm", [{"op": "add", "path": "/data/b", "value": "3"}], "application/json-patch+json").json()
        self.assertEqual({"a": "2", "b": "3"}, patched["data"])
        same = self.server.send("PATCH", path + "/cm", {"data": {"b": "3"}}, MERGE).json()
        self.assertEqual(patched["metadata"]["resourceVersion"], same["metadata"]["resourceVersion"], "no change, no new version")
        self.assertEqual("Success", self.server.send("DELETE", path + "/cm", {}).json()["status"])
        gone = self.server.get(path + "/cm")
        self.assertEqual((404, 'configmaps "cm" not found'), (gone.status, gone.json()["message"]))
        self.configmap("cm")
        self.assertEqual(415, self.server.send("PATCH", path + "/cm", {}, "text/csv").status)

    def test_status_is_a_resource_of_its_own(self) -> None:
        path = "/apis/apps/v1/namespaces/shop/deployments/good"
        have = self.server.get(path).json()
        self.server.send("PATCH", path, {"status": {"replicas": 99}}, MERGE)
        self.assertEqual(have["status"], self.server.get(path).json()["status"])
        name = names(self.server.get(PODS).json())[0]
        gate = {"type": "example.com/gate", "status": "True"}
        made = self.server.send("PATCH", f"{PODS}/{name}/status", {"status": {"conditions": [gate]}},
                                "application/strategic-merge-patch+json").json()
        kinds = [c["type"] for c in made["status"]["conditions"]]
        self.assertIn("example.com/gate", kinds)
        self.assertIn("Ready", kinds, "conditions are merged by type")
        scaled = self.server.send("PATCH", path + "/scale", {"spec": {"replicas": 3}}, MERGE).json()
        self.assertEqual(("Scale", 3), (scaled["kind"], scaled["spec"]["replicas"]))

    def test_gates_of_a_pod_cannot_be_changed(self) -> None:
        name = names(self.server.get(PODS).json())[0]
        reply = self.server.send("PATCH", f"{PODS}/{name}", {"spec": {"readinessGates": []}}, MERGE)
        self.assertEqual((422, "Invalid"), (reply.status, reply.json()["reason"]))

    # Discovery and authentication

    def test_discovery_in_both_forms(self) -> None:
        new = self.server.get("/apis", Accept=AGGREGATED)
        self.assertEqual("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", new.headers["Content-Type"])
        real = {g["metadata"]["name"]: g for g in recorded("discovery-apis.json")["items"]}
        mine = {g["metadata"]["name"]: g for g in new.json()["items"]}
        for resource in mine["apps"]["versions"][0]["resources"]:
            self.assertIn(resource, real["apps"]["versions"][0]["resources"])
        self.assertEqual(304, self.server.get("/apis", Accept=AGGREGATED, If_None_Match=new.headers["ETag"]).status)
        self.server.sim("options", aggregated=False)
        plain = self.server.get("/apis", Accept=AGGREGATED).json()
        self.server.sim("options", aggregated=True)
        self.assertEqual("APIGroupList", plain["kind"])
        old = self.server.get("/apis/apps/v1").json()
        self.assertEqual(list(recorded("discovery-plain-apps.json"))[:3], list(old)[:3])
        self.assertEqual("v1beta1", self.server.get("/apis/elbv2.k8s.aws").json()["preferredVersion"]["version"])
        alpha = self.server.get("/apis/elbv2.k8s.aws/v1alpha1/targetgroupbindings").json()
        self.assertEqual("elbv2.k8s.aws/v1alpha1", alpha["apiVersion"])

    def test_a_group_can_be_absent(self) -> None:
        path = "/apis/eks.amazonaws.com/v1/targetgroupbindings"
        stream = self.server.watch(path)
        self.server.sim("crds", group="eks.amazonaws.com", present=False)
        self.assertEqual([], list(stream), "its watches end")
        reply = self.server.get(path)
        self.assertEqual((404, (RECORDED / "status-404.json").read_bytes().strip()), (reply.status, reply.raw.strip()))
        self.assertNotIn("eks.amazonaws.com", json.dumps(self.server.get("/apis", Accept=AGGREGATED).json()))
        self.server.sim("crds", group="eks.amazonaws.com", present=True)
        self.assertEqual(200, self.server.get(path).status)

    def test_tokens(self) -> None:
        self.server.sim("token", token="old")
        try:
            self.assertEqual(200, self.server.get(PODS, Authorization="Bearer old").status)
            self.assertIn("old", self.server.kubeconfig.read_text(encoding="utf-8"))
            self.server.sim("token", token="new")
            reply = self.server.get(PODS, Authorization="Bearer old")
            self.assertEqual((401, recorded("status-401.json")), (reply.status, reply.json()))
            self.assertEqual(200, self.server.get(PODS, Authorization="Bearer new").status)
        finally:
            self.server.sim("token", token="")

    def test_the_kubeconfig_always_holds_a_token(self) -> None:
        """kubectl asks for a password otherwise."""
        self.server.sim("token", token="")
        self.assertRegex(self.server.kubeconfig.read_text(encoding="utf-8"), r"token: \S+")

    def test_rights_by_namespace_and_reviews(self) -> None:
        self.server.sim("people", boss={"user": "boss"}, viewer={"user": "ann", "groups": ["shop-team"], "namespaces": ["shop"], "verbs": ["get", "list", "watch"]})
        try:
            who = {"Authorization": "Bearer viewer"}
            self.assertEqual(200, self.server.get(PODS, **who).status)
            refused = self.server.get("/api/v1/pods", **who)
            real = recorded("status-403.json")
            self.assertEqual((403, real["message"].replace("gateway", "ann")), (refused.status, refused.json()["message"]))

            def review(kind: str, spec: Json) -> Json:
                response = self.server.open("POST", f"/apis/{kind}", {"spec": spec}, Authorization="Bearer boss")
                self.assertEqual(201, response.status)
                return json.loads(response.read())["status"]
            known = review("authentication.k8s.io/v1/tokenreviews", {"token": "viewer"})
            self.assertEqual((True, "ann", ["shop-team"]), (known["authenticated"], known["user"]["username"], known["user"]["groups"]))
            self.assertFalse(review("authentication.k8s.io/v1/tokenreviews", {"token": "nobody"})["authenticated"])
            for namespace, verb, allowed in (("shop", "list", True), ("shop", "delete", False), ("other", "list", False), ("", "list", False)):
                got = review("authorization.k8s.io/v1/subjectaccessreviews", {"user": "ann", "resourceAttributes": {
                    "namespace": namespace, "verb": verb, "resource": "pods"}})
                self.assertEqual(allowed, got["allowed"], (namespace, verb))
        finally:
            self.server.sim("token", token="")


if __name__ == "__main__":
    unittest.main()
