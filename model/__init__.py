"""The unified model: text, pictures, films and sound as one sequence of codes.

The names here are the ones that other rooms may use. They are imported when first asked for, so that `import model`
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from model.checkpoint import Model, load
    from model.clip import Clip, Film, Mode, Size
    from model.config import CONFIGS, ModelConfig
    from model.errors import Broken, EquerryError, Refused, Unavailable
    from model.generate import Generator, Pace
    from model.layout import Layout, LayoutSpec
    from model.make import Maker

_HOME: Final = {
    "CONFIGS": "config",
    "Broken": "errors",
    "Clip": "clip",
    "EquerryError": "errors",
    "Film": "clip",
    "Generator": "generate",
    "Layout": "layout",
    "LayoutSpec": "layout",
    "Maker": "make",
    "Mode": "clip",
    "Model": "checkpoint",
    "ModelConfig": "config",
    "Pace": "generate",
    "Refused": "errors",
    "Size": "clip",
    "Unavailable": "errors",
    "load": "checkpoint",
}

__all__ = [
    "CONFIGS",
    "Broken",
    "Clip",
    "EquerryError",
    "Film",
    "Generator",
    "Layout",
    "LayoutSpec",
    "Maker",
    "Mode",
    "Model",
    "ModelConfig",
    "Pace",
    "Refused",
    "Size",
    "Unavailable",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'model' has no attribute {name!r}")
    return getattr(import_module(f"model.{_HOME[name]}"), name)
