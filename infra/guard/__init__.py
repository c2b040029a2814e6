"""The second pair of eyes: a CrossGuard policy pack that refuses a cell that leaks, whoever wrote its program.

It shares no code with the providers that it checks, and takes the cell's place from the stack file.
"""
