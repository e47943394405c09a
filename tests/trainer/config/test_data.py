import pytest
from pydantic import ValidationError

from trainer.config.data import DataOptions


def test_sizes_may_have_units() -> None:
    assert DataOptions(dataset="d", cache_bytes="20GB").cache_bytes == 20 * 10**9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"imge_side": 224}, "Extra inputs are not permitted"),
        ({"image_side": 0}, "greater than or equal to 8"),
        ({"render": "old"}, "'fresh' or 'stored'"),
        ({"max_replaced_fraction": 1.5}, "less than or equal to 1"),
        ({"cache_bytes": "much"}, "could not parse value"),
        ({"mixture": {"rule": "square"}}, "'sqrt', 'proportional'"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataOptions(dataset="d", **values)  # type: ignore[arg-type]
