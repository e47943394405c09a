"""The contestants of `benchmarks.ocr`: the product, and the library in a plain loop."""
