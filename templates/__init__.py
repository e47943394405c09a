"""The templates of the instructions, and the little code that loads, checks and renders them."""
