"""Templates of the instructions, as YAML, and the code that loads, checks and renders them."""
