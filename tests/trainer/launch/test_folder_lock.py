"""A run's folder. Hosts are stood in for by threads that see different folders."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainer.errors import TrainingError
from trainer.launch import folder_lock
from trainer.launch.folder_lock import locked_folder


class Table:
    """Exchange of values between the ranks of a world."""

    def __init__(self, size: int) -> None:
        self.values: list[object] = [None] * size
        self.barrier = threading.Barrier(size)


@dataclass
class Rank:
    rank: int
    table: Table

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gather(self, value):
        self.table.values[self.rank] = value
        self.table.barrier.wait()
        values = list(self.table.values)
        self.table.barrier.wait()
        return values

    def broadcast(self, value):
        return self.gather(value)[0]


def hold(folders: list[Path]) -> list[str | None]:
    """Return the error of each rank, each with its own folder."""
    table = Table(len(folders))
    found: list[str | None] = [None] * len(folders)

    def run(rank: int) -> None:
        try:
            with locked_folder(folders[rank], Rank(rank, table), "run"):  # type: ignore[arg-type]
                pass
        except TrainingError as error:
            found[rank] = str(error)

    threads = [threading.Thread(target=run, args=[rank]) for rank in range(len(folders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(folder_lock, "_LOOKS", 1)


def test_a_folder_that_all_hosts_see_is_held(tmp_path):
    assert hold([tmp_path / "run"] * 3) == [None] * 3


def test_a_folder_that_a_host_does_not_see_is_refused_on_all(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/lock").write_text("of an older run on this host's own disk")
    found = hold([tmp_path / "run", tmp_path / "run", tmp_path / "other"])
    assert all(
        "is not seen on" in str(message) and "they share" in str(message) for message in found
    )


def test_a_folder_that_is_held_is_refused(tmp_path):
    alone = Rank(0, Table(1))
    with locked_folder(tmp_path, alone, "run"):  # type: ignore[arg-type]
        assert "another run is writing" in str(hold([tmp_path])[0])
    assert hold([tmp_path]) == [None]
