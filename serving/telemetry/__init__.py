"""What leaves for those who watch a cell: ids, sizes, counts, durations and states."""

from serving.telemetry.logs import say_little

__all__ = ["say_little"]
