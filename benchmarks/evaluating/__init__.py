"""Cases of `benchmarks.evaluate`: whole evaluations with a model that answers at once."""
