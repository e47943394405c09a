import fsspec
import pytest


@pytest.fixture
def memory():
    """The bytes of `memory://`, by path: a store as buckets are, in this process."""
    store = fsspec.filesystem("memory").store
    store.clear()
    yield store
    store.clear()
