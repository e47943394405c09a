import base64

import pytest

from datagen.errors import RowRejectedError
from datagen.sources.declared.encoded import MIN_BARE_CHARS, decode_image_text

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(200))


@pytest.mark.parametrize(
    "text",
    [
        "a.png",
        "/9j/short.jpg",
        "/9j/" + "folder/" * 20 + "a.jpg",
        "Qk.png",
        "data.png",
        "database/a.png",
        "A" * 200,
        "",
    ],
)
def test_a_path_is_no_base64(text: str) -> None:
    assert decode_image_text(text) is None


def test_bare_base64_is_known_by_the_first_bytes_of_images() -> None:
    text = base64.b64encode(JPEG).decode()
    assert len(text) > MIN_BARE_CHARS
    assert decode_image_text(f"  {text}\n") == JPEG
    assert decode_image_text(text.rstrip("=")) == JPEG
    assert decode_image_text("\r\n".join(text[i : i + 60] for i in range(0, 300, 60))) == JPEG


def test_a_data_url_may_hold_anything_in_base64() -> None:
    text = base64.b64encode(b"<html>").decode()
    assert decode_image_text(f"data:text/html;base64,{text}") == b"<html>"
    assert decode_image_text(f"DATA:;BASE64,{text}") == b"<html>"


def test_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.sources.declared.encoded.MAX_PACKED_BYTES", 90)
    with pytest.raises(RowRejectedError, match="base64 text has 272 characters") as caught:
        decode_image_text(base64.b64encode(JPEG).decode())
    assert caught.value.reason.value == "media_too_large"
