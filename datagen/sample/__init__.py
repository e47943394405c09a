"""Small drawn scenes in the publishers' file formats: the demo's raw data and every test's fixture."""
