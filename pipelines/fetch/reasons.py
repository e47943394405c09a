"""Reasons why a download failed, and when it is worth another try."""

import time
from email.utils import parsedate_to_datetime
from enum import StrEnum


class FetchReason(StrEnum):
    """Why nothing was downloaded from a URL. Result files count by these names."""

    BAD_URL = "bad_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"  # neither http nor https
    PRIVATE_ADDRESS = "private_address"  # itself, or where it redirects to
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_FAILED = "connection_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    TOO_MANY_REDIRECTS = "too_many_redirects"  # or redirects in a circle
    BAD_REDIRECT = "bad_redirect"  # to nowhere, or to something that is no URL
    FORBIDDEN = "forbidden"  # 401, 403
    NOT_FOUND = "not_found"  # 404
    GONE = "gone"  # 410
    LEGAL = "unavailable_for_legal_reasons"  # 451
    REFUSED = "refused"  # any other 4xx
    RATE_LIMITED = "rate_limited"  # 429, still after all tries
    SERVER_ERROR = "server_error"  # 5xx, still after all tries
    BAD_RESPONSE = "bad_response"  # not HTTP
    TRUNCATED = "truncated"  # fewer bytes than announced
    TOO_LARGE = "too_large"  # more bytes than allowed
    HOST_GIVEN_UP = "host_given_up"  # not asked for: nothing else of its host could be reached


class RequestError(Exception):
    """A request that brought nothing.

    `temporary` errors are worth another try. `retry_after` are the seconds that the server asks for before
    it; `status` is that of its response, if there was one.
    """

    def __init__(
        self,
        reason: FetchReason,
        message: str,
        *,
        status: int | None = None,
        temporary: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.status, self.temporary, self.retry_after = status, temporary, retry_after


_STATUSES = {
    401: FetchReason.FORBIDDEN,
    403: FetchReason.FORBIDDEN,
    404: FetchReason.NOT_FOUND,
    410: FetchReason.GONE,
    429: FetchReason.RATE_LIMITED,
    451: FetchReason.LEGAL,
}
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
BACK_OFF_SECONDS = 1.0
MAX_BACK_OFF_SECONDS = 60.0


def status_error(status: int, retry_after: str | None = None) -> RequestError:
    """Return the error of a response that is no success and no redirect."""
    if status in _STATUSES:
        reason = _STATUSES[status]
    elif status >= 500:
        reason = FetchReason.SERVER_ERROR
    else:
        reason = FetchReason.REFUSED if status >= 400 else FetchReason.BAD_RESPONSE
    return RequestError(
        reason,
        f"the server answers {status}",
        status=status,
        temporary=status in _TEMPORARY,
        retry_after=seconds_of(retry_after, time.time()),
    )


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, which gives seconds or a date.

    Examples:
        >>> seconds_of("120", 0.0)
        120.0
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def delay_before(attempt: int, error: RequestError) -> float | None:
    """Return the seconds to wait before another try, or None if it is not worth one.

    It is what the server asks for, else doubles from 1 to 60. `attempt` counts the tries so far, from 1.
    """
    if not error.temporary:
        return None
    if error.retry_after is not None:
        return error.retry_after
    return float(min(BACK_OFF_SECONDS * 2 ** (attempt - 1), MAX_BACK_OFF_SECONDS))
