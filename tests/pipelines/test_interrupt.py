import os
import signal
import threading

import pytest

from pipelines.interrupt import check_stopped, remembering_ctrl_c


def test_ctrl_c_is_remembered_where_it_is_swallowed():
    with remembering_ctrl_c():
        check_stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check_stopped()
    check_stopped()


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), remembering_ctrl_c():
        assert signal.getsignal(signal.SIGINT) is not before
        raise KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone():
    before = signal.getsignal(signal.SIGINT)
    found = []

    def work():
        with remembering_ctrl_c():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_build_whose_interruption_was_swallowed_stops(raw, tmp_path, monkeypatch, build):
    """As Beam does in some of its own code."""
    from pipelines.build import run as module

    run = module.execute

    def swallowing(*arguments):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            run(*arguments)

    monkeypatch.setattr(module, "execute", swallowing)
    assert build(raw, tmp_path / "out").status == 130
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert build(raw, tmp_path / "out").status == 0
