"""Small helpers shared by all parts: times, durations, copies, hashes, conditions."""
from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Any, Optional

Json = Any
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SAFE = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of Kubernetes' generated names


def stamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 with whole seconds (metav1.Time)."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(seconds: float) -> str:
    """Unix seconds as RFC 3339 with microseconds (metav1.MicroTime)."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unstamp(text: Optional[str]) -> float:
    """RFC 3339 to Unix seconds; 0 for nothing."""
    if not text:
        return 0.0
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def duration(value: Any, default: float = 0.0) -> float:
    """Seconds from 3, "3s", "1m30s" or "250ms"."""
    if value is None:
        return default
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    parts = DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{value!r} is not a duration (like 30s, 1m30s, 250ms)")
    return sum(float(n) * UNITS[u] for n, u in parts)


def jcopy(value: Json) -> Json:
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {k: jcopy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [jcopy(v) for v in value]
    return value


def dumps(value: Json) -> bytes:
    """Compact JSON as the wire has it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def safe_hash(value: Json, length: int = 10) -> str:
    """A short name part that depends on the data only, in Kubernetes' safe alphabet."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return "".join(SAFE[b % len(SAFE)] for b in digest[:length])


def b64sha(text: str) -> str:
    """URL-safe base64 of a SHA-256 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def condition(obj: Json, kind: str) -> Optional[Json]:
    """The condition of that type in status.conditions, or None."""
    for cond in obj.get("status", {}).get("conditions") or []:
        if cond.get("type") == kind:
            return cond
    return None


def is_true(obj: Json, kind: str) -> bool:
    """Whether the condition of that type is True."""
    cond = condition(obj, kind)
    return cond is not None and cond.get("status") == "True"


def owner_of(obj: Json) -> Optional[Json]:
    """The controlling owner reference, or None."""
    for ref in obj["metadata"].get("ownerReferences") or []:
        if ref.get("controller"):
            return ref
    return None


def controlled_by(obj: Json, uid: str) -> bool:
    """Whether the object's controlling owner has that uid."""
    ref = owner_of(obj)
    return ref is not None and ref.get("uid") == uid


def percent(value: Any, total: int, up: bool) -> int:
    """An absolute count from a number or a percentage, rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total
        return -(-share // 100) if up else share // 100
    return int(value or 0)
