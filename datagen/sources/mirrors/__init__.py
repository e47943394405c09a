"""Mirrors on the Hugging Face Hub of sources of the 26: a YAML file each, read as own data is read.

A mirror's rows are found, joined and decoded by the language of source files; a few expressions then make
the publisher's row of each, from which the source's own adapter makes the examples.
"""
