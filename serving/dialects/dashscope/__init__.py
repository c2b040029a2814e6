"""DashScope's video synthesis, as its unmodified clients speak it."""

from serving.dialects.dashscope.errors import error_response
from serving.dialects.dashscope.read import read
from serving.dialects.dashscope.render import task, usage
from serving.dialects.dashscope.routes import UPLOADS, doors

__all__ = ["UPLOADS", "doors", "error_response", "read", "task", "usage"]
