"""`visinstruct fetch-images`: our options here, all others to Beam."""

import argparse
import logging
from collections.abc import Sequence

from datagen.errors import OptionError
from pipelines.cli.paths import absolute
from trainer.launch.shadow import children_find_ours

PASSES_OPTIONS_ON = True
CONNECT_SECONDS = 5.0
"""Old lists are full of hosts that never answer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Images go to OUT/<hh>/<h>.jpg, h being 32 hexadecimal digits of the URL's SHA-256, and what became of "
        "each URL to OUT/results.parquet. The same command resumes a download that was stopped. Any option of Apache "
        "Beam may follow, such as --runner=... for another engine."
    )
    add = parser.add_argument
    add(
        "lists",
        nargs="+",
        metavar="LIST",
        help="files with a URL a row: .json, .jsonl, .csv, .tsv, .parquet, .arrow, or .txt with one a line",
    )
    add("--out", required=True, metavar="DIR", help="folder of the images; may hold earlier ones")
    add("--url-column", default="url", metavar="NAME", help="column of the URL in LIST")
    add(
        "--max-side", type=int, metavar="PX", help="shrink larger images (default: keep their size)"
    )
    add("--max-bytes", default="20MB", metavar="SIZE", help="refuse larger files")
    add(
        "--host-rate",
        type=float,
        default=10.0,
        metavar="N",
        help="requests a second to a host; 0: any",
    )
    add("--host-connections", type=int, default=4, metavar="N", help="requests to a host at a time")
    add("--connections", type=int, default=64, metavar="N", help="requests of a worker at a time")
    add("--timeout", type=float, default=60.0, metavar="S", help="seconds for a request as a whole")
    add("--silence", type=float, default=20.0, metavar="S", help="seconds without a byte")
    add("--tries", type=int, default=3, metavar="N", help="requests for a URL whose server is busy")
    add(
        "--retry",
        metavar="A,B",
        help="ask again for URLs that failed for these reasons, such as timeout,server_error, or all "
        "(default: none)",
    )
    add(
        "--allow-private",
        action="store_true",
        help="connect to addresses that are not public too: of this machine, its network, its cloud",
    )
    add(
        "--user-agent",
        metavar="TEXT",
        help="what servers see (default: visinstruct and its version)",
    )
    add(
        "--max-failed-fraction",
        type=float,
        default=0.5,
        metavar="F",
        help="exit with status 1 if more of the URLs have no image",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine (default: one for every 2000 URLs, as far as processors reach)",
    )
    add(
        "--parts",
        type=int,
        metavar="N",
        help="divide the hosts among N workers of another engine, at most 256 (default: 64)",
    )
    add(
        "--stall-minutes",
        type=float,
        default=10.0,
        metavar="M",
        help="end the download if no worker gives a sign of life for so long",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:  # Beam raises what it logs as well
        handler.addFilter(lambda record: "apache_beam" not in record.pathname)
    from datagen.build.options import parse_size
    from pipelines.build.beam_options import beam_options
    from pipelines.cli.views.fetched_images import print_fetched
    from pipelines.fetch.http import Rules
    from pipelines.fetch_images.options import FetchOptions
    from pipelines.fetch_images.run import fetch_images, reasons_to_retry

    for name in ("max_side", "host_connections", "connections", "tries", "workers", "parts"):
        value = getattr(parsed, name)
        if value is not None and value < 1:
            raise OptionError(f"--{name.replace('_', '-')} {value} is less than 1")
    for name in ("timeout", "silence"):
        if not getattr(parsed, name) > 0:
            raise OptionError(f"--{name} {getattr(parsed, name)} is no number of seconds above 0")
    if not 0 < parsed.stall_minutes < float("inf"):
        raise OptionError(f"--stall-minutes {parsed.stall_minutes} is no number of minutes above 0")
    if not parsed.host_rate >= 0:
        raise OptionError(f"--host-rate {parsed.host_rate} is negative; 0 is for any rate")
    try:
        max_bytes = parse_size(parsed.max_bytes)
    except ValueError as error:
        raise OptionError(f"--max-bytes: {error}") from None
    rules = Rules(
        read_seconds=min(parsed.silence, parsed.timeout),
        connect_seconds=min(parsed.silence, parsed.timeout, CONNECT_SECONDS),
        total_seconds=parsed.timeout,
        allow_private=parsed.allow_private,
        user_agent=parsed.user_agent or Rules.user_agent,
    )
    options = FetchOptions(
        out=absolute(parsed.out).rstrip("/"),
        max_side=parsed.max_side,
        max_bytes=max_bytes,
        tries=parsed.tries,
        host_rate=parsed.host_rate or None,
        host_connections=parsed.host_connections,
        connections=parsed.connections,
        rules=rules,
    )
    names = [each.strip() for each in (parsed.retry or "").split(",") if each.strip()]
    own = [option for action in parser._actions for option in action.option_strings]
    passed_on = beam_options(rest, own)
    with children_find_ours():  # the worker processes of Beam
        fetched = fetch_images(
            [absolute(each) for each in parsed.lists],
            options,
            passed_on,
            url_column=parsed.url_column,
            retry=reasons_to_retry(names),
            workers=parsed.workers,
            num_parts=parsed.parts,
            stall_minutes=parsed.stall_minutes,
        )
    failed = print_fetched(fetched, parsed.out)
    return int(failed > parsed.max_failed_fraction)
