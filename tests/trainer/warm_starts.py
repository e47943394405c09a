"""Starts processes that need not import torch, DeepSpeed and the trainer first: they are forked.

Each line on stdin is a JSON request, each line on stdout its answer:
    {"program": P, "arguments": [...], "variables": {...}, "printed": FILE} -> pid of a new process group
    {"pid": N} -> exit status, or null while it runs
Programs are `train`, `evaluate`, and `many_runs` beside this file.
A negative status is a signal's number, as `subprocess` has it.
"""

import atexit
import faulthandler
import gc
import json
import os
import signal
import sys

import deepspeed.runtime.zero.muon.muon_optimizer  # slow to import, and done with the first optimizer
import many_runs

import trainer.evaluate
import trainer.evaluation.run
import trainer.evaluation.validation
import trainer.run.engine
import trainer.run.plan
import trainer.run.session
import trainer.train

PROGRAMS = {
    "train": trainer.train.main,
    "evaluate": trainer.evaluate.main,
    "many_runs": many_runs.main,
}


def become(program: str, arguments: list[str], variables: dict[str, str], printed: str) -> None:
    """Be the process; never returns."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(printed, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.dump_traceback_later(
        110, file=sys.stderr
    )  # before `end` gives up, so that it shows where
    os.environ.update(variables)
    sys.argv[1:] = arguments
    status = PROGRAMS[program](arguments)
    atexit._run_exitfuncs()  # as the interpreter does, which then takes seconds to free its modules
    sys.stdout.flush()
    os._exit(status)


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                become(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    assert deepspeed and trainer.evaluation.run and trainer.run.plan and trainer.run.session
    gc.freeze()  # what is collected is copied first
    serve()
    os._exit(0)
