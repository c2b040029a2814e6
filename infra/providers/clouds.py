"""From the name in a stack file to its cloud; imports that cloud's SDK and no other."""

from __future__ import annotations

from importlib import import_module

from infra.providers.protocol import Cloud
from infra.spec import ProviderName

__all__ = ["cloud"]


def cloud(name: ProviderName) -> Cloud:
    """The provider of that name."""
    found: Cloud = import_module(f"infra.providers.{name}").CLOUD
    return found
