import pytest

from pipelines.fetch.reasons import FetchReason, delay_before, seconds_of, status_error


@pytest.mark.parametrize(
    ("status", "reason", "temporary"),
    [
        (401, "forbidden", False),
        (403, "forbidden", False),
        (404, "not_found", False),
        (408, "refused", True),
        (410, "gone", False),
        (418, "refused", False),
        (429, "rate_limited", True),
        (451, "unavailable_for_legal_reasons", False),
        (500, "server_error", True),
        (501, "server_error", False),
        (503, "server_error", True),
        (204, "bad_response", False),
    ],
)
def test_a_status_has_a_reason_and_may_be_worth_another_try(
    status: int, reason: str, temporary: bool
) -> None:
    error = status_error(status)
    assert (error.reason, error.temporary, error.status) == (FetchReason(reason), temporary, status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("9" * 5_000, 999_999_999.0),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, now=10.0) == seconds


def test_the_server_decides_on_the_delay_else_it_doubles_up_to_a_minute() -> None:
    assert delay_before(1, status_error(429, "5")) == 5.0
    assert [delay_before(n, status_error(503)) for n in (1, 2, 3, 30)] == [1.0, 2.0, 4.0, 60.0]
    assert delay_before(1, status_error(404)) is None
