"""OpenAI's Videos API, as its unmodified clients speak it."""

from serving.dialects.openai_videos.errors import error_response
from serving.dialects.openai_videos.read import read
from serving.dialects.openai_videos.render import video
from serving.dialects.openai_videos.routes import doors

__all__ = ["doors", "error_response", "read", "video"]
