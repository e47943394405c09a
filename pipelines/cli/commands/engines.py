"""`visinstruct engines`: the engines that a build can run on, as they are found here."""

import argparse
import json
from collections.abc import Sequence
from importlib.resources import files

from pipelines.cli.commands.build import quiet_engines

PASSES_OPTIONS_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Options of Beam say where a service or program is, and it is tried: --dask_client_address, "
        "--dask_scheduler_file, --job_endpoint, --prism_location, --environment_config, --flink_master, "
        "--spark_master_url. The exit status is 1 if one of those cannot be used."
    )
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--sbatch", action="store_true", help="print the batch script for Slurm and stop")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.sbatch:
        print(files("configs.slurm").joinpath("build.sbatch").read_text(encoding="utf-8"), end="")
        return 0
    quiet_engines()
    from pipelines.build.beam_options import beam_options
    from pipelines.build.engines import asked_for, find_engines, known_options
    from pipelines.cli.views.engines import as_json, print_engines

    known_options()
    own = [option for action in parser._actions for option in action.option_strings]
    options = beam_options(rest, own)
    engines = find_engines(options)
    if parsed.json:
        print(json.dumps(as_json(engines), indent=1))
    else:
        print_engines(engines)
    return 0 if all(each.is_usable for each in asked_for(options, engines)) else 1
