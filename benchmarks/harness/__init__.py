"""Code that the scripts share: cases in fresh processes, seconds and memory, results as tables, large made-up inputs.

Imports no script and no contestant.
"""
