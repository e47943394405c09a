import io
from collections.abc import Callable
from functools import lru_cache

import pytest
from PIL import Image


@lru_cache
def _encoded(width: int, height: int, shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 90, 200)).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Make a JPEG of a size, another for each shade."""
    return lambda width=40, height=30, shade=0: _encoded(width, height, shade)
