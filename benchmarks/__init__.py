"""One script a question, with its opponents in the same run; results lie beside."""
