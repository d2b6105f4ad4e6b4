"""The ELBv2 Query API on the model of target groups: calls, paging, batch limits, not-found errors."""
from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, Callable, Optional

from .targets import PREFIX, REGION, Address, AwsError, LoadBalancers, TargetGroup

Json = Any
Form = dict[str, str]
BATCH = 20
PAGE = 400
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


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lb_arn(group: TargetGroup) -> str:
    kind = "net" if group.lb_type == "network" else "app"
    return f"{PREFIX}:loadbalancer/{kind}/{group.name[:32]}/{_short('lb' + group.arn)}"


def listener_arn(group: TargetGroup) -> str:
    return lb_arn(group).replace(":loadbalancer/", ":listener/") + "/" + _short("li" + group.arn)


class Elbv2:
    """Answers calls of clients other than the controller."""

    def __init__(self, elb: LoadBalancers) -> None:
        self.elb = elb
        self.page_size = PAGE  # never more than this on a page, whatever is asked
        self.actions: dict[str, Callable[[Form], Json]] = {
            "DescribeTargetGroups": self._groups, "DescribeTargetHealth": self._health, "DescribeTags": self._tags,
            "DescribeLoadBalancers": self._balancers, "DescribeListeners": self._listeners, "DescribeRules": self._rules,
            "DescribeTargetGroupAttributes": self._attributes, "RegisterTargets": self._register, "DeregisterTargets": self._deregister}

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
            out["NextMarker"] = base64.urlsafe_b64encode(json.dumps({"at": start + size, "salt": _short(key)}).encode()).decode()
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
            groups = [g for g in groups if g.attached and lb_arn(g) == form["LoadBalancerArn"]]
        return self._page(form, "TargetGroups", [self._describe(g) for g in groups])

    @staticmethod
    def _describe(g: TargetGroup) -> Json:
        nlb, c = g.lb_type == "network", g.check
        out: Json = {"TargetGroupArn": g.arn, "TargetGroupName": g.name, "Protocol": g.protocol, "Port": g.port, "VpcId": g.vpc,
                     "HealthCheckProtocol": c.get("protocol", "TCP" if nlb else "HTTP"), "HealthCheckPort": str(c.get("port", "traffic-port")),
                     "HealthCheckEnabled": True, "HealthCheckIntervalSeconds": c.get("interval", 10 if nlb else 15),
                     "HealthCheckTimeoutSeconds": c.get("timeout", 10 if nlb else 5), "HealthyThresholdCount": c.get("healthy", 3 if nlb else 2),
                     "UnhealthyThresholdCount": c.get("unhealthy", 3 if nlb else 2), "LoadBalancerArns": [lb_arn(g)] if g.attached else [],
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
        out = []
        for arn in arns:
            group = self.elb.groups.get(arn) or next((g for g in self.elb.groups.values() if lb_arn(g) == arn), None)
            if group is None:
                raise AwsError("TargetGroupNotFound", "One or more target groups not found")
            out.append({"ResourceArn": arn, "Tags": [{"Key": k, "Value": v} for k, v in (
                {"elbv2.k8s.aws/cluster": "simulated", "note": "Käse & <Brot>"} | group.tags).items()]})
        return {"TagDescriptions": out}

    def _balancers(self, form: Form) -> Json:
        arns = members(form, "LoadBalancerArns")
        self._batch(arns, "load balancers")
        self._refused("DescribeLoadBalancers")
        groups = [g for g in self.elb.groups.values() if g.attached and (not arns or lb_arn(g) in arns)]
        if len(groups) < len(set(arns)):
            raise AwsError("LoadBalancerNotFound", "One or more load balancers not found")
        return self._page(form, "LoadBalancers", [{
            "LoadBalancerArn": lb_arn(g), "LoadBalancerName": g.name[:32], "DNSName": f"{g.name[:32]}-1234567890.{REGION}.elb.amazonaws.com",
            "Type": g.lb_type, "Scheme": "internet-facing", "VpcId": g.vpc, "State": {"Code": "active"}, "IpAddressType": "ipv4",
            "AvailabilityZones": [{"ZoneName": REGION + z, "SubnetId": f"subnet-{_short(z)}"} for z in "abc"],
            "CreatedTime": "2026-01-02T03:04:05.678Z"} for g in groups])

    def _listeners(self, form: Form) -> Json:
        self._refused("DescribeListeners")
        wanted = form.get("LoadBalancerArn")
        arns = members(form, "ListenerArns")
        groups = [g for g in self.elb.groups.values() if g.attached and (lb_arn(g) == wanted or listener_arn(g) in arns)]
        if not groups:
            raise AwsError("LoadBalancerNotFound" if wanted else "ListenerNotFound", "One or more listeners not found")
        return self._page(form, "Listeners", [{
            "ListenerArn": listener_arn(g), "LoadBalancerArn": lb_arn(g), "Port": 80, "Protocol": g.protocol,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": g.arn, "Order": 1,
                                "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": g.arn, "Weight": 1}]}}]} for g in groups])

    def _rules(self, form: Form) -> Json:
        self._refused("DescribeRules")
        groups = [g for g in self.elb.groups.values() if g.attached and listener_arn(g) == form.get("ListenerArn")]
        if not groups:
            raise AwsError("ListenerNotFound", "One or more listeners not found")
        return self._page(form, "Rules", [{
            "RuleArn": listener_arn(g).replace(":listener/", ":listener-rule/") + "/" + _short("ru" + g.arn), "Priority": "default",
            "IsDefault": True, "Conditions": [], "Actions": [{"Type": "forward", "Order": 1, "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": g.arn, "Weight": 1}]}}]} for g in groups])

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
