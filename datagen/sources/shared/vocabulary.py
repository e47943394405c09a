"""Answer vocabularies: the closed list of answers that predictions of a source are ranked over."""

from collections import Counter

from datagen.files import Files
from datagen.raw.gather import open_raw, raw_exists
from datagen.raw.row_index import index_file
from datagen.raw.rows import WindowRows
from datagen.schema.adapter import Rejected, Vocabulary


def count_answers(vocabulary: Vocabulary, folder: str, files: Files) -> Counter[str] | None:
    """Count each answer of the vocabulary in the training file; return None without that file.

    Rows that cannot be decoded are left out here; where the split is built they are rejected.

    Raises:
        RawDataError: the file as a whole cannot be used.
    """
    rows = vocabulary.rows
    path = f"{folder}/{rows.file}"
    if not raw_exists(files, path):
        return None
    with open_raw(files, path) as file:
        container = index_file(file, path, {rows.path: rows}).containers[rows.path]
    counts: Counter[str] = Counter()
    for window in container.windows:
        values = WindowRows(files, path, container.kind, window, rows.row).values
        usable = (value for value in values if not isinstance(value, Rejected))
        counts.update(answer for value in usable for answer in vocabulary.answers(value))
    del counts[""]
    return Counter({text: count for text, count in counts.items() if count >= vocabulary.min_count})
