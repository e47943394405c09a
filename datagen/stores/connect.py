"""Connections to stores: fsspec's file systems with the settings of long jobs, and what workers must be told.

A store's address and credentials come from where its own tools look for them: environment variables,
its configuration files, and fsspec's. Workers on other machines get those of the process that started the
build (`StoreSettings`), unless they have their own.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from datagen.errors import OptionError
from datagen.files import is_url

CONNECT_SECONDS = 10
READ_SECONDS = 60
ATTEMPTS = 4
"""Of one request, by the store's own client; `store.py` repeats on top of it."""

_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "az": ("adlfs", "azure"),
    "abfs": ("adlfs", "azure"),
    "abfss": ("adlfs", "azure"),
    "hf": ("huggingface_hub", "hf"),
}
_SENT = (
    "AWS_",
    "AZURE_STORAGE_",
    "GOOGLE_CLOUD_PROJECT",
    "STORAGE_EMULATOR_HOST",
    "HF_TOKEN",
    "HF_ENDPOINT",
    "FSSPEC_",
)
"""Beginnings of environment variables that hold a store's address, region or credentials."""
_NOT_SENT = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_",
    "AWS_CONTAINER_",
    "HF_TOKEN_PATH",
    "AWS_LAMBDA_",
    "AWS_EXECUTION_ENV",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)


def file_system(path: str) -> Any:
    """Return the fsspec file system of a path with `://`.

    A process has connections of its own: those of its parent do not survive a fork.

    Raises:
        OptionError: no file system is installed for the protocol; names the package.
    """
    return _connect(path.partition("://")[0].lower(), os.getpid())


def disconnect() -> None:
    """Forget all connections, for example after the environment has changed."""
    _connect.cache_clear()


@lru_cache(maxsize=64)
def _connect(protocol: str, process: int) -> Any:
    import fsspec
    from fsspec.config import conf

    settings: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if protocol in ("s3", "s3a"):
        client: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"mode": "standard", "max_attempts": ATTEMPTS},
            "max_pool_connections": 32,
        }
        if "AWS_RESPONSE_CHECKSUM_VALIDATION" not in os.environ:
            # some servers send the checksum of the whole object with a part of it (rclone)
            client["response_checksum_validation"] = "when_required"
        settings["config_kwargs"] = client | conf.get(protocol, {}).get("config_kwargs", {})
        settings["max_concurrency"] = 1  # with more, each whole object is asked for its size first
    try:
        found = fsspec.filesystem(protocol, **settings)
    except (ImportError, ValueError) as error:
        raise OptionError(_missing_package(protocol, error)) from None
    if protocol in ("s3", "s3a"):
        found.retries = 1  # its client and we repeat requests already
    return found


def _missing_package(protocol: str, error: Exception) -> str:
    known = _PACKAGES.get(protocol)
    if known is None:
        why = " ".join(str(error).split())
        return (
            f"{protocol}:// cannot be used: {why}; install fsspec's package for it on every machine"
        )
    package, extra = known
    return (
        f"{protocol}:// needs the package {package}, which is not installed; "
        f"pip install 'visinstruct[{extra}]' on every machine"
    )


@dataclass(frozen=True)
class StoreSettings:
    """Environment variables for the stores of a build; picklable, and shown without their values."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of_this_process(paths: Iterable[str]) -> "StoreSettings":
        """Return the settings that workers need for `paths`; none if all of them are local.

        Of credentials that lie in a file of this machine (`~/.aws`), the keys are read.
        """
        protocols = {path.partition("://")[0].lower() for path in paths if is_url(path)}
        if not protocols:
            return StoreSettings()
        found = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_SENT) and not name.startswith(_NOT_SENT)
        }
        if protocols & {"s3", "s3a"} and "AWS_ACCESS_KEY_ID" not in found:
            found |= _keys_in_files()
        return StoreSettings(found)

    def apply(self) -> None:
        """Set what this process has not set itself."""
        missing = {n: v for n, v in self.environment.items() if n not in os.environ}
        if missing:
            if "AWS_ACCESS_KEY_ID" in os.environ:  # never half of one and half of another
                missing.pop("AWS_SECRET_ACCESS_KEY", None)
                missing.pop("AWS_SESSION_TOKEN", None)
            os.environ.update(missing)
            disconnect()


def _keys_in_files() -> dict[str, str]:
    """Return the keys of this machine's AWS files; nothing if a role or a service gives them out."""
    try:
        from botocore.session import Session
    except ImportError:
        return {}
    session = Session()
    credentials = session.get_credentials()
    if credentials is None or credentials.method not in ("shared-credentials-file", "config-file"):
        return {}
    frozen = credentials.get_frozen_credentials()
    found = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
        "AWS_DEFAULT_REGION": session.get_config_variable("region"),
    }
    return {name: value for name, value in found.items() if value}
