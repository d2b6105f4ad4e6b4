"""The ELBv2 Query API on the model of target groups: calls, paging, batch limits, not-found errors."""
from __future__ import annotations

import base64
import json
import re
from typing import Any, Callable, Optional

from .balancers import Balancer, Listener, Rule, balancer_arn, balancers, short
from .targets import Address, AwsError, LoadBalancers, TargetGroup

Json = Any
Form = dict[str, str]
BATCH = 20
PAGE = 400
NAMES = {"TargetGroup": "target groups", "LoadBalancer": "load balancers", "Listener": "listeners", "Rule": "rules"}
OVERRIDE = {"State": "no_override", "Reason": "AdministrativeOverride.NoOverride",
            "Description": "No override is currently active on target"}


def members(form: Form, name: str) -> list[str]:
    """Name.member.1, Name.member.2, … in order."""
    found = {int(m[1]): v for k, v in form.items() if (m := re.fullmatch(re.escape(name) + r"\.member\.(\d+)", k))}
    return [found[i] for i in sorted(found)]


def structures(form: Form, name: str) -> list[Form]:
    """Name.member.N.Field as one dict a member."""
    out: dict[int, Form] = {}
    for key, value in form.items():
        found = re.fullmatch(re.escape(name) + r"\.member\.(\d+)\.(\w+)", key)
        if found:
            out.setdefault(int(found[1]), {})[found[2]] = value
    return [out[i] for i in sorted(out)]


class Elbv2:
    """Answers calls of clients other than the controller."""

    def __init__(self, elb: LoadBalancers) -> None:
        self.elb = elb
        self.page_size = PAGE  # never more than this on a page, whatever is asked
        self.actions: dict[str, Callable[[Form], Json]] = {
            "DescribeTargetGroups": self._groups, "DescribeTargetHealth": self._health, "DescribeTags": self._tags,
            "DescribeLoadBalancers": self._balancers, "DescribeListeners": self._listeners, "DescribeRules": self._rules,
            "DescribeTargetGroupAttributes": self._attributes, "DescribeLoadBalancerAttributes": self._balancer_attributes, "RegisterTargets": self._register, "DeregisterTargets": self._deregister}

    def call(self, form: Form) -> Json:
        """The result of one call."""
        action = form.get("Action", "")
        if not action:
            raise AwsError("MissingAction", "The request must contain the parameter Action")
        if action not in self.actions or form.get("Version") != "2015-12-01":
            raise AwsError("InvalidAction", f"Could not find operation {action} for version {form.get('Version', 'NO_VERSION_SPECIFIED')}")
        return self.actions[action](form)

    # Helpers

    def _page(self, form: Form, key: str, items: list[Json]) -> Json:
        size = int(form["PageSize"]) if form.get("PageSize", "400").isdigit() and form.get("PageSize") else PAGE
        if not 1 <= size <= PAGE:
            raise AwsError("ValidationError", f"1 validation error detected: Value '{size}' at 'pageSize' failed to satisfy constraint: "
                           "Member must have value less than or equal to 400")
        start = 0
        if form.get("Marker"):
            try:
                start = int(json.loads(base64.urlsafe_b64decode(form["Marker"]))["at"])
            except (ValueError, KeyError, TypeError):
                raise AwsError("ValidationError", "Invalid marker") from None
        size = min(size, self.page_size)
        out: Json = {key: items[start:start + size]}
        if start + size < len(items):
            out["NextMarker"] = base64.urlsafe_b64encode(json.dumps({"at": start + size, "salt": short(key)}).encode()).decode()
        return out

    @staticmethod
    def _batch(arns: list[str], what: str) -> None:
        if len(arns) > BATCH:
            raise AwsError("ValidationError", f"You cannot describe more than '{BATCH}' {what} at a time")

    def _group(self, form: Form) -> TargetGroup:
        arn = form.get("TargetGroupArn")
        if not arn:
            raise AwsError("ValidationError", "A target group ARN must be specified")
        if arn not in self.elb.groups:
            raise AwsError("TargetGroupNotFound", "One or more target groups not found")
        return self.elb.groups[arn]

    def _refused(self, action: str, group: Optional[TargetGroup] = None) -> None:
        self.elb.refuse(action, group, "api")

    # Calls

    def _groups(self, form: Form) -> Json:
        arns, names = members(form, "TargetGroupArns"), members(form, "Names")
        self._batch(arns or names, "target groups")
        self._refused("DescribeTargetGroups")
        groups = list(self.elb.groups.values())
        if arns or names:
            groups = [g for g in groups if g.arn in arns or g.name in names]
            if len(groups) < len(set(arns or names)):
                raise AwsError("TargetGroupNotFound", "One or more target groups not found")
        if form.get("LoadBalancerArn"):
            groups = [g for g in groups if g.attached and balancer_arn(g) == form["LoadBalancerArn"]]
        return self._page(form, "TargetGroups", [self._describe(g) for g in groups])

    @staticmethod
    def _describe(g: TargetGroup) -> Json:
        nlb, c = g.lb_type == "network", g.check
        out: Json = {"TargetGroupArn": g.arn, "TargetGroupName": g.name, "Protocol": g.protocol, "Port": g.port, "VpcId": g.vpc,
                     "HealthCheckProtocol": c.get("protocol", "TCP" if nlb else "HTTP"), "HealthCheckPort": str(c.get("port", "traffic-port")),
                     "HealthCheckEnabled": True, "HealthCheckIntervalSeconds": c.get("interval", 10 if nlb else 15),
                     "HealthCheckTimeoutSeconds": c.get("timeout", 10 if nlb else 5), "HealthyThresholdCount": c.get("healthy", 3 if nlb else 2),
                     "UnhealthyThresholdCount": c.get("unhealthy", 3 if nlb else 2), "LoadBalancerArns": [balancer_arn(g)] if g.attached else [],
                     "TargetType": g.target_type, "IpAddressType": "ipv4"}
        if not nlb:
            out |= {"HealthCheckPath": c.get("path", "/"), "Matcher": {"HttpCode": str(c.get("matcher", "200"))}, "ProtocolVersion": "HTTP1"}
        return out

    def _health(self, form: Form) -> Json:
        group = self._group(form)
        self._refused("DescribeTargetHealth", group)
        asked: Optional[list[Address]] = None
        if any(k.startswith("Targets.") for k in form):
            asked = [(t["Id"], int(t.get("Port", group.port))) for t in structures(form, "Targets")]
        include = members(form, "Include")
        out = []
        for address, health in group.health(asked):
            zone = group.targets[address].zone if address in group.targets else ""
            one: Json = {"Target": {"Id": address[0], "Port": address[1]} | ({"AvailabilityZone": zone} if zone else {}),
                         "HealthCheckPort": str(address[1]),
                         "TargetHealth": {"State": health["state"], "Reason": health.get("reason"), "Description": health.get("description")}}
            if health["state"] != "unused":
                one["AdministrativeOverride"] = OVERRIDE
            if {"All", "AnomalyDetection"} & set(include):
                one["AnomalyDetection"] = {"Result": "normal", "MitigationInEffect": "no"}
            out.append(one)
        return {"TargetHealthDescriptions": out}

    def _attributes(self, form: Form) -> Json:
        group = self._group(form)
        self._refused("DescribeTargetGroupAttributes", group)
        values = {"load_balancing.cross_zone.enabled": "use_load_balancer_configuration", "slow_start.duration_seconds": "0"} | group.attributes
        return {"Attributes": [{"Key": k, "Value": v} for k, v in values.items()]}

    def _tags(self, form: Form) -> Json:
        arns = members(form, "ResourceArns")
        self._batch(arns, "resources")
        self._refused("DescribeTags")
        tags = {g.arn: g.tags for g in self.elb.groups.values()}
        tags |= {b.arn: b.groups[0].tags for b in self._all()}
        tags |= {one.arn: {} for one in [*self._all_listeners(), *self._all_rules()]}
        for arn in arns:
            if arn not in tags:
                kind = next((k for w, k in (("loadbalancer/", "LoadBalancer"), ("listener-rule/", "Rule"), ("listener/", "Listener")) if w in arn), "TargetGroup")
                raise AwsError(kind + "NotFound", f"One or more {NAMES[kind]} not found")
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": [{"Key": k, "Value": v} for k, v in (
            {"elbv2.k8s.aws/cluster": "simulated", "note": "Käse & <Brot>"} | tags[arn]).items()]} for arn in arns]}

    # Load balancers, listeners, rules

    def _all(self) -> list[Balancer]:
        return balancers(self.elb.groups.values())

    def _all_listeners(self) -> list[Listener]:
        return [li for b in self._all() for li in b.listeners()]

    def _all_rules(self) -> list[Rule]:
        return [r for li in self._all_listeners() for r in li.rules]

    @staticmethod
    def _named(items: list[Any], arns: list[str], kind: str) -> list[Any]:
        """Those with the given ARNs; all of them must be there."""
        out = [i for i in items if i.arn in arns]
        if len(out) < len(set(arns)):
            raise AwsError(kind + "NotFound", f"One or more {NAMES[kind]} not found")
        return out

    def _balancers(self, form: Form) -> Json:
        arns, names = members(form, "LoadBalancerArns"), members(form, "Names")
        self._batch(arns or names, "load balancers")
        self._refused("DescribeLoadBalancers")
        found = self._all()
        if arns:
            found = self._named(found, arns, "LoadBalancer")
        elif names:
            found = [b for b in found if b.name in names]
            if len(found) < len(set(names)):
                raise AwsError("LoadBalancerNotFound", f"Load balancers '[{', '.join(names)}]' not found")
        return self._page(form, "LoadBalancers", [b.describe() for b in found])

    def _balancer_attributes(self, form: Form) -> Json:
        arn = form.get("LoadBalancerArn")
        if not arn:
            raise AwsError("ValidationError", "A load balancer ARN must be specified")
        self._refused("DescribeLoadBalancerAttributes")
        one = self._named(self._all(), [arn], "LoadBalancer")[0]
        return {"Attributes": [{"Key": k, "Value": v} for k, v in one.attributes().items()]}

    def _listeners(self, form: Form) -> Json:
        self._refused("DescribeListeners")
        balancer, arns = form.get("LoadBalancerArn"), members(form, "ListenerArns")
        if bool(balancer) == bool(arns):
            raise AwsError("ValidationError", "You must specify either listener ARNs or a load balancer ARN")
        if balancer:
            return self._page(form, "Listeners", [li.describe() for li in self._named(self._all(), [balancer], "LoadBalancer")[0].listeners()])
        return self._page(form, "Listeners", [li.describe() for li in self._named(self._all_listeners(), arns, "Listener")])

    def _rules(self, form: Form) -> Json:
        self._refused("DescribeRules")
        listener, arns = form.get("ListenerArn"), members(form, "RuleArns")
        if bool(listener) == bool(arns):
            raise AwsError("ValidationError", "You must specify either listener ARNs or rule ARNs")
        if listener:
            return self._page(form, "Rules", [r.describe() for r in self._named(self._all_listeners(), [listener], "Listener")[0].rules])
        return self._page(form, "Rules", [r.describe() for r in self._named(self._all_rules(), arns, "Rule")])

    def _addresses(self, form: Form, group: TargetGroup) -> list[Address]:
        return [(t["Id"], int(t.get("Port", group.port))) for t in structures(form, "Targets")]

    def _register(self, form: Form) -> Json:
        group = self._group(form)
        self._refused("RegisterTargets", group)
        group.register(self._addresses(form, group))
        return {}

    def _deregister(self, form: Form) -> Json:
        group = self._group(form)
        self._refused("DeregisterTargets", group)
        group.deregister(self._addresses(form, group))
        return {}
