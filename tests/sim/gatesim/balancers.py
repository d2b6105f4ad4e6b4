"""Load balancers, listeners and rules, seen from the target groups that they forward to.

A target group has a load balancer of its own and is the default of that one's listener, unless it names another
(`balancer`), a listener (`port`, `protocol`) or a rule (`priority`, `host`, `path`, `weight`). Groups at the same place
share it by weight. A listener without a default group answers 404 itself, as the controller sets it up.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Iterable

from .targets import PREFIX, REGION, TargetGroup

Json = Any


def short(text: str) -> str:
    """16 hex digits that depend on the text only."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def balancer_arn(group: TargetGroup) -> str:
    """Of the load balancer that the group names, or of its own."""
    kind, name = "net" if group.lb_type == "network" else "app", (group.balancer or group.name)[:32]
    return f"{PREFIX}:loadbalancer/{kind}/{name}/{short('lb' + kind + name)}"


@dataclass
class Rule:
    """One rule: groups that share what it matches."""

    arn: str
    priority: str  # a number, or "default"
    conditions: list[Json]
    groups: list[TargetGroup]

    def actions(self) -> list[Json]:
        """One forward action, or the listener's own 404."""
        if not self.groups:
            return [{"Type": "fixed-response", "Order": 1, "FixedResponseConfig": {"ContentType": "text/plain", "StatusCode": "404"}}]
        shares = [{"TargetGroupArn": g.arn, "Weight": int(g.rule.get("weight", 1))} for g in self.groups]
        out: Json = {"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": shares, "TargetGroupStickinessConfig": {"Enabled": False}}}
        return [out | ({"TargetGroupArn": shares[0]["TargetGroupArn"]} if len(shares) == 1 else {})]

    def describe(self) -> Json:
        return {"RuleArn": self.arn, "Priority": self.priority, "Conditions": self.conditions, "Actions": self.actions(),
                "IsDefault": self.priority == "default"}


@dataclass
class Listener:
    """One port of a load balancer."""

    arn: str
    balancer: str
    port: int
    protocol: str
    rules: list[Rule]  # by priority, the default one last

    def describe(self) -> Json:
        return {"ListenerArn": self.arn, "LoadBalancerArn": self.balancer, "Port": self.port, "Protocol": self.protocol,
                "DefaultActions": self.rules[-1].actions()}


@dataclass
class Balancer:
    """One load balancer."""

    arn: str
    groups: list[TargetGroup]

    @property
    def name(self) -> str:
        return self.arn.split("/")[2]

    @property
    def network(self) -> bool:
        return self.groups[0].lb_type == "network"

    def describe(self) -> Json:
        first = self.groups[0]
        return {"LoadBalancerArn": self.arn, "LoadBalancerName": self.name, "DNSName": f"{self.name}-1234567890.{REGION}.elb.amazonaws.com",
                "Type": first.lb_type, "Scheme": "internet-facing", "VpcId": first.vpc, "State": {"Code": first.lb_state}, "IpAddressType": "ipv4",
                "AvailabilityZones": [{"ZoneName": REGION + z, "SubnetId": f"subnet-{short(z)}"} for z in "abc"],
                "CreatedTime": "2026-01-02T03:04:05.678Z"}

    def attributes(self) -> dict[str, str]:
        own = {"dns_record.client_routing_policy": "any_availability_zone"} if self.network else {
            "idle_timeout.timeout_seconds": "60", "routing.http2.enabled": "true"}
        return {"deletion_protection.enabled": "false", "load_balancing.cross_zone.enabled": str(not self.network).lower()} | own

    def listeners(self) -> list[Listener]:
        ports = sorted({int(g.listener.get("port", 80)) for g in self.groups})
        return [self._listener(p, [g for g in self.groups if int(g.listener.get("port", 80)) == p]) for p in ports]

    def _listener(self, port: int, groups: list[TargetGroup]) -> Listener:
        arn = self.arn.replace(":loadbalancer/", ":listener/") + "/" + short(f"li{self.arn}{port}")
        start = arn.replace(":listener/", ":listener-rule/") + "/"
        numbers = sorted({int(g.rule["priority"]) for g in groups if "priority" in g.rule})
        rules = []
        for number in numbers:
            ours = [g for g in groups if int(g.rule.get("priority", 0)) == number]
            rules.append(Rule(start + short(f"ru{arn}{number}"), str(number), _conditions(ours[0].rule), ours))
        rules.append(Rule(start + short(f"ru{arn}default"), "default", [], [g for g in groups if "priority" not in g.rule]))
        return Listener(arn, self.arn, port, groups[0].listener.get("protocol", groups[0].protocol), rules)


def _conditions(rule: Json) -> list[Json]:
    out = []
    for key, field, config in (("host", "host-header", "HostHeaderConfig"), ("path", "path-pattern", "PathPatternConfig")):
        if key in rule:
            out.append({"Field": field, "Values": [rule[key]], config: {"Values": [rule[key]]}})
    return out


def balancers(groups: Iterable[TargetGroup]) -> list[Balancer]:
    """All load balancers that forward to one of the groups."""
    out: dict[str, Balancer] = {}
    for group in groups:
        if group.attached:
            out.setdefault(balancer_arn(group), Balancer(balancer_arn(group), [])).groups.append(group)
    return list(out.values())
