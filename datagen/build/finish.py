"""The end of a build: its reports become rejection files, vocabularies, mixture, card and manifest."""

import io
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.build.digests import DigestFile
from datagen.build.hub_card import hub_card
from datagen.build.leakage import ShardDigests, find_leaks
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, InputFile
from datagen.build.planner import raw_path
from datagen.build.staging import Staging
from datagen.build.totals import SplitWork, check_limits
from datagen.files import Files, hash_file
from datagen.mixture import MixturePart, mix
from datagen.schema.manifest import (
    MANIFEST_NAME,
    MIXTURE_NAME,
    SCHEMA_VERSION,
    CandidatesEntry,
    Leakage,
    Manifest,
    MixtureEntry,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    content_hash,
    encode_manifest,
)
from datagen.schema.rejects import decode_rejections
from datagen.sources.declared.protocol import protocol_content
from datagen.sources.mirrors.find import entry_of
from datagen.sources.shared.vocabulary import count_answers
from templates.library import SHIPPED, load_templates, template_folder

MIXTURE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("split", pa.string()),
        ("records", pa.int64()),
        ("factor", pa.float64()),
        ("probability", pa.float64()),
        ("weight", pa.float64()),  # of each record, as in the shards
    ]
)


def trained_splits(plan: BuildPlan, options: BuildOptions) -> dict[str, tuple[str, ...]]:
    """Return the held-in splits of the plan that are trained on, by source."""
    trained: dict[str, tuple[str, ...]] = {}
    for each in plan.splits:
        if options.trains_on(options.source(each.source).card, each.split):
            trained[each.source] = (*trained.get(each.source, ()), each.split)
    return trained


def mixture_of(
    plan: BuildPlan, options: BuildOptions, records: Mapping[str, int]
) -> dict[str, MixturePart]:
    """Return the mixture of the trained splits, given the records of every `<source>/<split>`."""
    sizes = {
        source: sum(records.get(f"{source}/{split}", 0) for split in splits)
        for source, splits in trained_splits(plan, options).items()
    }
    return mix(sizes, options.mixture)


def mixture_table(
    parts: Mapping[str, MixturePart],
    trained: Mapping[str, Sequence[str]],
    records: Mapping[str, int],
) -> pa.Table:
    """Return the mixture by split; `records` are those of every `<source>/<split>`.

    A split has its part of the source's probability, so that all probabilities add up to one.
    """
    rows = []
    for source, part in parts.items():
        for split in trained[source]:
            size = records.get(f"{source}/{split}", 0)
            share = part.probability * size / part.size
            rows.append((source, split, size, part.factor, share, part.record_weight))
    return pa.table(
        list(zip(*rows, strict=True)) or [()] * len(MIXTURE_SCHEMA), schema=MIXTURE_SCHEMA
    )


def finish(
    plan: BuildPlan,
    work: Sequence[SplitWork],
    options: BuildOptions,
    files: Files,
    staging: Staging,
    *,
    inputs: Mapping[str, Mapping[str, InputFile]],
    fingerprint: str,
    versions: Mapping[str, str],
    fingerprints: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType({}),
    candidates: Mapping[str, CandidatesEntry] = MappingProxyType({}),
) -> Manifest:
    """Complete the dataset in `staging.output`; the manifest is written last.

    `fingerprint` is that of the build, `fingerprints` are those of its splits; `candidates` are the
    vocabularies that are in the output already.

    Raises:
        RejectLimitError: too many rows of a source were rejected.
    """
    rejected_files, first_message = _write_rejections(work, files, staging)
    check_limits(plan, work, options, first_message)
    assert all(each.is_balanced() for each in work), [e.name for e in work if not e.is_balanced()]
    templates = load_templates(options.template_dir)
    groups, leakage = _groups_and_leakage(plan, work, options, files, staging)
    splits: dict[str, dict[str, SplitEntry]] = {}
    for each in work:
        key = (each.plan.source, each.plan.split)
        entry = _entry(each, groups[each.name], fingerprints.get(key, {}), options, staging)
        splits.setdefault(each.plan.source, {})[each.plan.split] = entry
    records = {each.name: each.written for each in work}
    parts = mixture_of(plan, options, records)
    mixture = {source: MixtureEntry(**part.model_dump()) for source, part in parts.items()}
    missing: dict[str, dict[str, tuple[str, ...]]] = {}
    for absent in plan.missing:
        missing.setdefault(absent.source, {})[absent.split] = absent.lacks
    sources = _sources(splits, options)
    template_hash = templates.hash_with(options.source(each).card.prompts for each in splits)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        content_hash=content_hash(splits, template_hash, mixture),
        fingerprint=fingerprint,
        template_set=templates.name,
        template_hash=template_hash,
        render_seed=options.seed,
        images=options.images,
        options=options.identity(),
        mixture=mixture,
        splits=splits,
        missing=missing,
        candidates=_write_candidates(plan, candidates, options, files, staging),
        rejected_files=rejected_files,
        leakage=leakage,
        inputs=msgspec.to_builtins(inputs),
        versions=versions,
        notes=_notes(options),
        sources=sources,
        protocols={
            each.name: content
            for each in options.declared
            if (content := protocol_content(each)) is not None
        },
    )
    trained = trained_splits(plan, options)
    _write_table(f"{staging.output}/{MIXTURE_NAME}", mixture_table(parts, trained, records), files)
    card = hub_card(manifest, trained, options.source)
    for name, data in (("README.md", card.encode()), (MANIFEST_NAME, encode_manifest(manifest))):
        with files.create(f"{staging.output}/{name}") as file:
            file.write(data)
    return manifest


def _sources(splits: Mapping[str, Iterable[str]], options: BuildOptions) -> dict[str, SourceEntry]:
    """Return what each source is rendered with."""
    cards = {source: options.source(source).card for source in splits}
    mirrors = {each.name: entry_of(each) for each in options.mirrors}
    return {
        source: SourceEntry(
            title=card.title,
            tasks=card.prompts.tasks,
            templates=card.prompts.styles,
            own_templates=card.prompts.own,
            template_hash=options.templates_of(source).hash,
            held_in=card.held_in,
            use={split: options.use_of(card, split) for split in splits[source]},
            mirror=mirrors.get(source),
        )
        for source, card in cards.items()
    }


def _entry(
    work: SplitWork,
    groups: int,
    fingerprints: Mapping[str, str],
    options: BuildOptions,
    staging: Staging,
) -> SplitEntry:
    plan = work.plan
    counts = options.source(plan.source).card.splits[plan.split].counts
    return SplitEntry(
        layout=plan.layout_name,
        rows=plan.rows,
        read=work.read,
        written=work.written,
        rejected=work.rejected,
        filtered=work.filtered,
        reencoded=work.reencoded,
        groups=groups,
        expected={release: fact.value for release, fact in counts.items() if fact.value},
        expected_verified=all(fact.verified for fact in counts.values()),
        shards=tuple(
            ShardEntry(
                path=staging.shard_name(plan.source, plan.split, s.shard, plan.num_shards),
                rows=s.rows,
                num_bytes=s.num_bytes,
                sha256=s.sha256,
            )
            for s in work.shards
        ),
        fingerprints=fingerprints,
    )


def _groups_and_leakage(
    plan: BuildPlan,
    work: Sequence[SplitWork],
    options: BuildOptions,
    files: Files,
    staging: Staging,
) -> tuple[dict[str, int], Leakage]:
    """Return the number of groups of every split, and the verdict on leakage."""
    trained = {
        f"{source}/{split}"
        for source, splits in trained_splits(plan, options).items()
        for split in splits
    }
    names = [each.name for each in work]
    return find_leaks(
        {each.name: _digests(each, staging) for each in work},
        [name for name in names if name in trained],
        [name for name in names if name not in trained and not name.endswith("/train")],
        files,
        options.comparison_bytes(),
    )


def _digests(work: SplitWork, staging: Staging) -> list[ShardDigests]:
    source, split, num_shards = work.plan.source, work.plan.split, work.plan.num_shards
    return [
        ShardDigests(
            path=f"{staging.output}/{staging.shard_name(source, split, s.shard, num_shards)}",
            groups=DigestFile(staging.shard(source, split, s.shard, "groups"), s.groups),
            texts_path=staging.shard(source, split, s.shard, "texts"),
        )
        for s in work.shards
    ]


def _write_rejections(
    work: Sequence[SplitWork], files: Files, staging: Staging
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Write `rejected/<source>.jsonl` of all parts, in the order of the rows.

    Returns their sha256 by source, and by source and reason the first row rejected for it.
    """
    hashes: dict[str, str] = {}
    first: dict[tuple[str, str], str] = {}
    for source in dict.fromkeys(each.plan.source for each in work):
        mine = [each for each in work if each.plan.source == source]
        if not any(each.rejected for each in mine):
            continue
        path = f"{staging.output}/rejected/{source}.jsonl"
        with files.create(path) as file:
            for part in (part for each in mine for part in _rejection_parts(each, staging)):
                with files.open_binary(part) as staged:
                    data = staged.read()
                file.write(data)
                for rejection in decode_rejections(data):
                    place = f"{rejection.place}: {rejection.message}"
                    first.setdefault((source, rejection.reason.value), place)
        hashes[source] = hash_file(files, path)[1]
    return hashes, first


def _rejection_parts(work: SplitWork, staging: Staging) -> list[str]:
    key = (work.plan.source, work.plan.split)
    return [
        staging.plan_rejections(*key),
        *(staging.range(*key, r.number, "rejected.jsonl") for r in work.ranges if r.rejected),
        *(staging.shard(*key, s.shard, "rejected.jsonl") for s in work.shards if s.duplicates),
    ]


def _write_candidates(
    plan: BuildPlan,
    written: Mapping[str, CandidatesEntry],
    options: BuildOptions,
    files: Files,
    staging: Staging,
) -> dict[str, CandidatesEntry]:
    """Write `candidates/<source>.parquet`: the answer vocabulary, most frequent first."""
    entries = dict(written)
    for source_id in dict.fromkeys(each.source for each in plan.splits):
        source = options.source(source_id)
        if source.vocabulary is None or source_id in written:
            continue
        file_name = source.vocabulary.rows.file
        path = raw_path(options, staging, source, file_name)
        counts = count_answers(source.vocabulary, path.removesuffix(f"/{file_name}"), files)
        if counts is None:
            reason = f"{file_name} is not in {source.card.folder}; ranking needs its answers"
            entries[source_id] = CandidatesEntry(path=None, rows=0, sha256=None, reason=reason)
            continue
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        table = pa.table(
            {
                "answer": pa.array([answer for answer, _ in ordered], pa.string()),
                "count": pa.array([count for _, count in ordered], pa.int64()),
            }
        )
        name = f"candidates/{source_id}.parquet"
        _write_table(f"{staging.output}/{name}", table, files)
        sha256 = hash_file(files, f"{staging.output}/{name}")[1]
        entries[source_id] = CandidatesEntry(path=name, rows=len(ordered), sha256=sha256)
    return entries


def _write_table(path: str, table: pa.Table, files: Files) -> None:
    encoded = io.BytesIO()
    pq.write_table(table, encoded, compression="zstd")
    with files.create(path) as file:
        file.write(encoded.getbuffer())


def _notes(options: BuildOptions) -> tuple[str, ...]:
    notes = []
    if options.images == "reference":
        notes.append("images are kept by reference: their bytes are not hashed")
    if template_folder(options.template_dir).parent == SHIPPED:
        notes.append(
            "the templates are visinstruct's own text, not those of the InstructBLIP paper"
        )
    return tuple(notes)
