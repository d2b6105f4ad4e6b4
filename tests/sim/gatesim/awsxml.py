"""ELBv2's and STS's XML: answers, errors in all shapes, and the freedoms a parser must bear."""
from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

Json = Any
ELB = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"
FUTURE = object()  # stands for an element that no client knows


@dataclass
class Style:
    """How answers are written; AWS promises none of it."""

    indent: bool = False
    shuffle: bool = False  # elements of a structure in random order
    unknown: bool = False  # elements that no client knows
    empty_lists: str = "self"  # <X/>, or "absent"
    error: str = "A"  # A: ErrorResponse/Error, B: ErrorResponse/Errors/Error, R: Response/Errors/Error

    def check(self) -> None:
        if self.error not in "ABR" or self.empty_lists not in ("self", "absent"):
            raise ValueError("error is A, B or R; empty_lists is self or absent")


class Writer:
    """Writes nested dicts and lists as ELBv2 does: a list is <member>s, booleans are words."""

    def __init__(self, style: Style, seed: int = 1) -> None:
        self.style = style
        self.random = random.Random(seed)

    def _element(self, name: str, value: Json, depth: int) -> str:
        pad = "\n" + "  " * depth if self.style.indent else ""
        if value is None:
            return ""
        if isinstance(value, list):
            if not value and self.style.empty_lists == "absent":
                return ""
            inner = "".join(self._element("member", v, depth + 1) for v in value)
            return f"{pad}<{name}>{inner}{pad}</{name}>" if value else f"{pad}<{name}/>"
        if value is FUTURE:
            return f"{pad}<{name}><State>misleading</State><Items><member><Id>10.9.9.9</Id></member></Items></{name}>"
        if isinstance(value, dict):
            return f"{pad}<{name}>{self._children(value, depth + 1)}{pad}</{name}>"
        text = str(value).lower() if isinstance(value, bool) else escape(str(value))
        return f"{pad}<{name}>{text}</{name}>"

    def _children(self, value: Json, depth: int) -> str:
        pairs = list(value.items())
        if self.style.shuffle:
            self.random.shuffle(pairs)
        if self.style.unknown:
            pairs.append(("FutureElement", FUTURE))
        return "".join(self._element(n, v, depth) for n, v in pairs)

    def answer(self, action: str, result: Json, namespace: str = ELB) -> bytes:
        body = self._element(action + "Result", result, 1) + self._element("ResponseMetadata", {"RequestId": str(uuid.uuid4())}, 1)
        end = "\n" if self.style.indent else ""
        return f'<{action}Response xmlns="{namespace}">{body}{end}</{action}Response>'.encode()

    def error(self, code: str, message: str, status: int, namespace: str = ELB) -> bytes:
        kind = "Sender" if status < 500 else "Receiver"
        ident = str(uuid.uuid4())
        plain = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if self.style.error == "B":
            return f"<ErrorResponse><Errors><Error>{plain}</Error></Errors><RequestId>{ident}</RequestId></ErrorResponse>".encode()
        if self.style.error == "R":
            return f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>{plain}</Error></Errors><RequestID>{ident}</RequestID></Response>'.encode()
        return (f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type>{plain}</Error>'
                f"<RequestId>{ident}</RequestId></ErrorResponse>").encode()
