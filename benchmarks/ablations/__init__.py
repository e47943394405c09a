"""The paper's ablations with the nano model: configurations, guessers, measurements."""
