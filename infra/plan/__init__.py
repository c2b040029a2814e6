"""Runs the program of a stack without a cloud and without Pulumi's command, and shows what it would make.

The program runs as it would under `pulumi preview`: in a process of its own, speaking gRPC to a monitor. The monitor is
ours: it writes down what is registered, and answers with names in place of what only a cloud can know.
"""
