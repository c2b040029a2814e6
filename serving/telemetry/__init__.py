"""What leaves for those who watch a cell: ids, sizes, counts, durations and states, by one allow-list.

Parts import the seam from here, which loads nothing; what stands behind it is loaded by `serving.telemetry.opened`.
"""

from serving.telemetry.eyes import BLIND, Blind, Eyes, Span, Told, outcome_of, stage

__all__ = ["BLIND", "Blind", "Eyes", "Span", "Told", "outcome_of", "say_little", "stage"]


def say_little(level: str) -> None:
    """For this process, from now on: logs by the allow-list, crashes without their texts, third parties silent."""
    from serving.telemetry.crash import crash_quietly
    from serving.telemetry.logs import say_little as say
    from serving.telemetry.silence import hush

    hush()
    say(level)
    crash_quietly()
