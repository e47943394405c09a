"""Zero-shot evaluation, by published rules: tasks, inference, metrics, scoring, report.

Imports everything of `trainer`; its folders import one way, in that order.
"""
