"""Failures of stores: which pass by themselves, and what a user has to do about the others.

fsspec's file systems raise errors of their stores' libraries. They are told apart by the codes and statuses
that those carry and by the names of their classes, so that no library of a store need be imported.
"""

import errno
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from datagen.errors import StoreError

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    [
        "InternalError",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequests",
        "BandwidthLimitExceeded",
        "ServerBusy",
        "OperationTimedOut",
        "IncompleteBody",
    ]
)
_NO_ANSWER = re.compile(
    r"Timeout|Connect(?:ion|or)|ServerDisconnected|ClientOSError|ClientPayload|IncompleteRead|HTTPClientError"
    r"|ResponseStreamingError|ProtocolError|ChunkedEncoding|ServiceRequestError|ServiceResponseError"
)
_TRANSIENT_NUMBERS = frozenset({errno.EREMOTEIO, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE})
_REGION_CODES = frozenset(
    [
        "AuthorizationHeaderMalformed",
        "PermanentRedirect",
        "IllegalLocationConstraintException",
        "TemporaryRedirect",
    ]
)
_CREDENTIAL_CODES = frozenset(
    [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidSecurity",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "Unauthorized",
    ]
)
_HIDDEN = frozenset(
    ["RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError", "BucketNotFoundError"]
)
"""Errors of the Hub that are also those of a missing file."""
_EXISTS_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "BlobAlreadyExists"})
_STATUS_IN_TEXT = re.compile(r"\bHTTP(?: error)? (\d{3})\b", re.IGNORECASE)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _code(error: BaseException) -> str:
    """Return the store's own code of an error, such as `NoSuchBucket`, or an empty text."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        if isinstance(code := getattr(each, "error_code", None), str):
            return code
    text = str(error)
    found = re.search(r"An error occurred \((\w+)\)|At least one of the pre-?conditions", text)
    return "" if found is None else found[1] or "PreconditionFailed"


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an error, or None."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            status = getattr(response, "status_code", None)
        for found in (status, getattr(each, "status_code", None), getattr(each, "status", None)):
            if isinstance(found, int):
                return found
        code = getattr(each, "code", None)
        if isinstance(code, int | str) and str(code).isdigit():
            return int(code)
    found = _STATUS_IN_TEXT.search(str(error))
    return None if found is None else int(found[1])


def is_transient(error: BaseException) -> bool:
    """Return True if the same request may succeed later: the store is busy, broken or does not answer."""
    if isinstance(error, FileNotFoundError | PermissionError | FileExistsError):
        return False
    if _code(error) in _TRANSIENT_CODES or _status(error) in TRANSIENT_STATUSES:
        return True
    if _is_unanswered(error):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_NUMBERS


def _is_unanswered(error: BaseException) -> bool:
    return any(
        isinstance(each, ConnectionError | TimeoutError) or _NO_ANSWER.search(type(each).__name__)
        for each in _chain(error)
    )


def is_there_already(error: BaseException) -> bool:
    """Return True if an object was not made since there is one already."""
    return (
        isinstance(error, FileExistsError) or _code(error) in _EXISTS_CODES or _status(error) == 412
    )


def is_past_end(error: BaseException) -> bool:
    """Return True if a range was asked for that begins behind an object's end."""
    return (
        _code(error) == "InvalidRange"
        or _status(error) == 416
        or "range is not satis" in str(error)
    )


def explained(error: Exception, path: str, doing: str) -> Exception:
    """Return the error to raise for one of a store: a missing object, or a sentence for the user.

    `doing` is what failed, such as "read". Only a missing object is a `FileNotFoundError`: whatever else
    is wrong with a store must end the work, and not be taken for a file that is not there.
    """
    code, status = _code(error), _status(error)
    bucket = bucket_of(path)
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return StoreError(f"{bucket} does not exist; create it, or correct its name")
    if code == "NoSuchUpload":
        return StoreError(
            f"{path} cannot be {doing}: its upload was aborted from elsewhere; start again"
        )
    if any(type(each).__name__ in _HIDDEN for each in _chain(error)):
        return StoreError(
            f"{path} cannot be {doing}: there is no such repository, or no right to see it; check its name, and "
            f"{credentials_of(path)}"
        )
    missing = isinstance(error, FileNotFoundError)
    if missing and doing == "written":
        return StoreError(
            f"{path} cannot be written: {bucket} does not exist; create it, or correct its name"
        )
    if missing or code in ("NoSuchKey", "BlobNotFound"):
        return FileNotFoundError(errno.ENOENT, "no such object", path)
    if isinstance(error, IsADirectoryError):
        return IsADirectoryError(errno.EISDIR, "a folder and no object", path)
    return StoreError(f"{path} cannot be {doing}: {_reason(error, code, status, path)}")


def bucket_of(path: str) -> str:
    """Return the protocol and bucket of a path.

    Examples:
        >>> bucket_of("s3://data/raw/okvqa/questions.json")
        's3://data'
    """
    protocol, _, rest = path.partition("://")
    return f"{protocol}://{rest.partition('/')[0]}"


def _reason(error: Exception, code: str, status: int | None, path: str) -> str:
    names = {type(each).__name__ for each in _chain(error)}
    remedy = credentials_of(path)
    said = _said(error)
    if names & {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}:
        return f"no credentials were found; set {remedy}"
    if code == "ExpiredToken" or "TokenRetrievalError" in names:
        return (
            f"the credentials have expired; renew them ({remedy}) and start the same command again"
        )
    if code == "RequestTimeTooSkewed":
        return "the clock of this machine is too far from that of the store; set it"
    if code in _REGION_CODES or status == 301:
        return f"the bucket is in another region; set AWS_DEFAULT_REGION to its own ({said})"
    if code in _CREDENTIAL_CODES or status == 401:
        return f"the store does not accept the credentials ({said}); check {remedy}"
    if isinstance(error, PermissionError) or status == 403:
        return f"access is denied ({said}); check the rights of these credentials, and {remedy}"
    if code == "InvalidBucketName" or "ParamValidationError" in names:
        return f"the store refuses the name ({said})"
    if _is_unanswered(error):
        return f"the store does not answer ({said}); check the network and {endpoint_of(path)}"
    if is_transient(error):
        return f"the store is too busy or broken ({said}); start the same command again later"
    return said


def _said(error: Exception) -> str:
    """Return the store's own words, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def credentials_of(path: str) -> str:
    """Return where the credentials for a path's store come from."""
    return {
        "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        "gs": "GOOGLE_APPLICATION_CREDENTIALS",
        "az": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and its key",
        "hf": "HF_TOKEN",
    }.get(_kind(path), "the credentials of this store")


def endpoint_of(path: str) -> str:
    """Return where the address of a path's store is set."""
    return {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST", "hf": "HF_ENDPOINT"}.get(
        _kind(path), "the address of the store"
    )


def _kind(path: str) -> str:
    protocol = urlsplit(path).scheme
    same = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az", "adl": "az"}
    return same.get(protocol, protocol)
