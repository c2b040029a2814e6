"""The project's own API: what the other two cannot say, such as progress as it happens."""

from serving.dialects.native.detect import router as detection
from serving.dialects.native.errors import error_response
from serving.dialects.native.read import read
from serving.dialects.native.routes import router

__all__ = ["detection", "error_response", "read", "router"]
