"""How AWS names things that have no resource of their own here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra.site import Site

__all__ = ["allow", "deny", "document", "root", "trust"]


def root(site: Site) -> str:
    """The account itself, as a principal."""
    return f"arn:aws:iam::{site.spec.account}:root"


def document(*statements: Mapping[str, Any]) -> pulumi.Output[str]:
    """A policy of these statements, which may hold outputs."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, *actions: str) -> str:
    """Who may take up a role: one of AWS's services."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions) or ["sts:AssumeRole"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(sid: str, actions: Sequence[str], resources: Sequence[Any], **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def deny(sid: str, actions: Sequence[str], resources: Sequence[Any], **more: Any) -> dict[str, Any]:
    """A statement that denies everybody."""
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(actions),
        "Resource": list(resources),
        **more,
    }
