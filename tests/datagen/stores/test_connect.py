"""What workers of other machines are told of stores."""

import os
import pickle

import pytest

from datagen.stores.connect import StoreSettings


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_local_builds_tell_nothing():
    os.environ["AWS_ACCESS_KEY_ID"] = "K"
    assert StoreSettings.of_this_process(["/data/raw", "out"]).environment == {}


def test_credentials_and_address_reach_a_worker_that_has_none():
    os.environ.update(AWS_ACCESS_KEY_ID="K", AWS_SECRET_ACCESS_KEY="S", AWS_ENDPOINT_URL="http://s")
    sent = pickle.loads(pickle.dumps(StoreSettings.of_this_process(["s3://b/x"])))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        del os.environ[name]
    sent.apply()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "K" and os.environ["AWS_ENDPOINT_URL"] == "http://s"


def test_a_workers_own_credentials_stay_whole():
    os.environ.update(AWS_ACCESS_KEY_ID="K", AWS_SECRET_ACCESS_KEY="S", AWS_SESSION_TOKEN="T")
    sent = StoreSettings.of_this_process(["s3://b/x"])
    del os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_SESSION_TOKEN"]
    os.environ["AWS_ACCESS_KEY_ID"] = "OWN"
    sent.apply()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "OWN"
    assert "AWS_SESSION_TOKEN" not in os.environ and "AWS_SECRET_ACCESS_KEY" not in os.environ


def test_keys_in_a_file_of_this_machine_are_read(tmp_path):
    pytest.importorskip("botocore")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = F\naws_secret_access_key = G\n"
    )
    sent = StoreSettings.of_this_process(["s3://b/x"]).environment
    assert (sent["AWS_ACCESS_KEY_ID"], sent["AWS_SECRET_ACCESS_KEY"]) == ("F", "G")
    assert "AWS_SHARED_CREDENTIALS_FILE" not in sent


def test_secrets_are_not_shown():
    os.environ.update(AWS_ACCESS_KEY_ID="K", AWS_SECRET_ACCESS_KEY="VERYSECRET")
    assert "VERYSECRET" not in repr(StoreSettings.of_this_process(["s3://b/x"]))


def test_what_only_this_machine_has_is_not_sent():
    os.environ.update(
        AWS_PROFILE="research", AWS_ROLE_ARN="arn", AWS_CONTAINER_CREDENTIALS_FULL_URI="http://x"
    )
    assert StoreSettings.of_this_process(["gs://b/x"]).environment == {}
