"""Failures of stores, as their libraries raise them."""

import pytest

from datagen.errors import StoreError
from datagen.stores.failures import explained, is_past_end, is_there_already, is_transient


class ClientError(Exception):
    """As botocore's."""

    def __init__(self, code, status, message=""):
        super().__init__(
            message or f"An error occurred ({code}) when calling the GetObject operation"
        )
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


class HttpError(Exception):
    """As gcsfs's."""

    def __init__(self, code):
        super().__init__("it failed")
        self.code = code


class HttpResponseError(Exception):
    """As azure.core's."""

    def __init__(self, status_code, error_code):
        super().__init__("it failed")
        self.status_code, self.error_code = status_code, error_code


def named(name):
    return type(name, (Exception,), {})("it failed")


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ClientError("SlowDown", 503),
        ClientError("InternalError", 500),
        ClientError("RequestTimeout", 400),
        caused(OSError(16, "busy"), ClientError("SlowDown", 503)),
        HttpError(429),
        HttpError("503"),
        HttpResponseError(500, "OperationTimedOut"),
        ConnectionResetError(),
        TimeoutError(),
        named("EndpointConnectionError"),
        named("ReadTimeoutError"),
        named("ServerDisconnectedError"),
        caused(OSError("failed"), named("ClientPayloadError")),
    ],
    ids=repr,
)
def test_what_passes_by_itself(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ClientError("NoSuchKey", 404),
        ClientError("AccessDenied", 403),
        ClientError("InvalidAccessKeyId", 403),
        HttpError(404),
        HttpResponseError(409, "BlobAlreadyExists"),
        FileNotFoundError(),
        PermissionError(),
        ValueError("503 things"),
    ],
    ids=repr,
)
def test_what_does_not_pass(error):
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            caused(FileNotFoundError(), ClientError("NoSuchBucket", 404)),
            r"^s3://b does not exist; create it",
        ),
        (
            ClientError("InvalidAccessKeyId", 403),
            r"does not accept the credentials .*check AWS_ACCESS_KEY_ID",
        ),
        (ClientError("SignatureDoesNotMatch", 403), r"does not accept the credentials"),
        (ClientError("ExpiredToken", 400), r"have expired; renew them \(AWS_ACCESS_KEY_ID"),
        (
            caused(PermissionError("Forbidden"), ClientError("403", 403)),
            r"access is denied \(Forbidden\)",
        ),
        (
            ClientError(
                "AuthorizationHeaderMalformed",
                400,
                "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
            ),
            r"in another region; set AWS_DEFAULT_REGION .*expecting 'eu-west-1'",
        ),
        (ClientError("PermanentRedirect", 301), r"in another region"),
        (ClientError("RequestTimeTooSkewed", 403), r"clock of this machine"),
        (named("NoCredentialsError"), r"no credentials were found; set AWS_ACCESS_KEY_ID"),
        (
            named("EndpointConnectionError"),
            r"does not answer .*check the network and AWS_ENDPOINT_URL",
        ),
        (ClientError("SlowDown", 503), r"too busy or broken .*start the same command again later"),
        (ClientError("InvalidBucketName", 400), r"refuses the name"),
        (
            RuntimeError("quota  exceeded\nat once"),
            r"s3://b/k cannot be read: quota exceeded at once",
        ),
    ],
    ids=repr,
)
def test_a_user_is_told_what_to_do(error, sentence):
    found = explained(error, "s3://b/k", "read")
    assert isinstance(found, StoreError)
    assert not isinstance(found, OSError)
    with pytest.raises(StoreError, match=sentence):
        raise found


@pytest.mark.parametrize("error", [FileNotFoundError("x"), ClientError("NoSuchKey", 404)], ids=repr)
def test_only_a_missing_object_is_a_missing_file(error):
    found = explained(error, "s3://b/k", "read")
    assert isinstance(found, FileNotFoundError) and found.filename == "s3://b/k"


def test_remedies_are_those_of_the_store():
    for path, remedy in (
        ("gs://b/k", "GOOGLE_APPLICATION_"),
        ("abfs://c/k", "AZURE_STORAGE_"),
        ("hf://d/k", "HF_TOKEN"),
    ):
        assert remedy in str(explained(PermissionError(), path, "read"))


def test_a_failed_condition_means_that_there_is_one():
    assert is_there_already(FileExistsError())
    assert is_there_already(ClientError("PreconditionFailed", 412))
    assert is_there_already(
        OSError(22, "At least one of the pre-conditions you specified did not hold")
    )
    assert is_there_already(HttpResponseError(409, "BlobAlreadyExists"))
    assert not is_there_already(ClientError("SlowDown", 503))


def test_a_range_behind_the_end():
    assert is_past_end(OSError(22, "The requested range is not satisfiable"))
    assert is_past_end(ClientError("InvalidRange", 416))
    assert not is_past_end(ClientError("SlowDown", 503))


@pytest.mark.parametrize("name", ["RepositoryNotFoundError", "GatedRepoError"])
def test_a_repository_that_is_not_seen_is_no_missing_file(name):
    found = explained(caused(FileNotFoundError("x"), named(name)), "hf://datasets/a/b/c", "read")
    assert isinstance(
        found, StoreError
    ) and "no right to see it; check its name, and HF_TOKEN" in str(found)


def test_what_cannot_be_written_for_want_of_a_bucket_says_so():
    found = explained(FileNotFoundError("x"), "gs://typo/k", "written")
    assert isinstance(found, StoreError) and "gs://typo does not exist" in str(found)
