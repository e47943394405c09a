"""The graph of a build, as a portable engine gets it, asks for nothing that Flink, Spark or Dataflow refuse.

None of them can run here. What they support was read in Beam's capability matrix
(https://beam.apache.org/documentation/runners/capability-matrix) and Dataflow's limits
(https://cloud.google.com/dataflow/docs/request-quotas) on 2026-11-28: in batch all three run ParDo, GroupByKey,
Flatten and side inputs in full; Spark has no splittable ParDo in batch mode of its own, and state and timers
are partly supported.
"""

import pickle
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from datagen.build.options import make_options
from datagen.build.plan import BuildPlan, RangePlan, SplitPlan
from datagen.build.staging import Staging
from datagen.raw.json_index import Window
from datagen.stores.connect import StoreSettings
from pipelines.build.work import (
    CountShards,
    StageRanges,
    Work,
    WriteShards,
    _places,
    build_graph,
)

SUPPORTED = {
    common_urns.primitives.IMPULSE.urn,
    common_urns.primitives.PAR_DO.urn,
    common_urns.primitives.GROUP_BY_KEY.urn,
    common_urns.primitives.FLATTEN.urn,
    common_urns.composites.RESHUFFLE.urn,
}
MAX_REQUEST_BYTES = 20 << 20
"""Of a job on Dataflow, as JSON."""
MOST_RANGES = 8_000
"""21 million records in ranges of 4 MB, and some more."""


def work_of(num_ranges: int) -> Work:
    ranges = tuple(RangePlan(n, Window(n << 22, 1 << 22, n), n, 3000) for n in range(num_ranges))
    split = SplitPlan("vqav2", "val", "", "/raw/x.json", "array", ranges, {}, {}, 500, {})
    options = make_options(raw="/raw", out="/out")
    return Work(BuildPlan((split,), ()), options, {}, Staging("/s"), "", {}, StoreSettings())


@pytest.fixture(scope="module")
def proto() -> Any:
    return proto_of(work_of(3))


def proto_of(work: Work) -> Any:
    pipeline = beam.Pipeline(options=PipelineOptions([]))
    build_graph(pipeline, work)
    return pipeline.to_runner_api()


def primitives(proto: Any) -> Iterator[Any]:
    for transform in proto.components.transforms.values():
        if not transform.subtransforms and transform.spec.urn:
            yield transform


def pardos(proto: Any) -> Iterator[Any]:
    for transform in primitives(proto):
        if transform.spec.urn == common_urns.primitives.PAR_DO.urn:
            yield beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)


def test_transforms_are_those_that_all_engines_have(proto):
    found = {transform.spec.urn for transform in primitives(proto)}
    assert found <= SUPPORTED, found - SUPPORTED
    assert common_urns.primitives.GROUP_BY_KEY.urn in found


def test_no_requirement_is_made_of_the_engine(proto):
    assert list(proto.requirements) == []


def test_no_state_timer_split_or_end_of_bundle_is_asked_for(proto):
    found = list(pardos(proto))
    assert len(found) > 3
    for payload in found:
        assert not payload.state_specs
        assert not payload.timer_family_specs
        assert not payload.restriction_coder_id
        assert not payload.requests_finalization


def test_side_inputs_are_of_the_two_kinds_that_all_engines_have(proto):
    kinds = {
        side.access_pattern.urn
        for payload in pardos(proto)
        for side in payload.side_inputs.values()
    }
    assert kinds <= {
        common_urns.side_inputs.ITERABLE.urn,
        common_urns.side_inputs.MULTIMAP.urn,
    }


def test_each_transform_has_one_output_and_the_graph_one_end(proto):
    produced, consumed = set(), set()
    for transform in primitives(proto):
        assert len(transform.outputs) == 1
        produced |= set(transform.outputs.values())
        consumed |= set(transform.inputs.values())
    assert len(produced - consumed) == 1


def test_there_is_one_bounded_window_for_all(proto):
    for collection in proto.components.pcollections.values():
        assert collection.is_bounded == beam_runner_api_pb2.IsBounded.BOUNDED
    for strategy in proto.components.windowing_strategies.values():
        assert strategy.window_fn.urn == common_urns.global_windows.urn


def test_one_environment_runs_all_of_it(proto):
    used = {each.environment_id for each in primitives(proto) if each.environment_id}
    assert len(used) == 1


def test_the_graph_of_the_largest_build_fits_into_a_request():
    size = len(proto_of(work_of(MOST_RANGES)).SerializeToString())
    assert size * 4 / 3 < MAX_REQUEST_BYTES  # bytes are base64 in JSON


def test_elements_are_a_few_numbers():
    """Keys of ranges, and places of rows: nothing grows with the data."""
    assert len(pickle.dumps(((10_000, 10_000), (10_000, 1 << 40, 1 << 40, 1 << 40, 1 << 30)))) < 100


def test_an_element_that_is_delivered_twice_counts_once():
    numbers = [(1, 0, 8, 0, 2), (0, 0, 8, 0, 2)]
    assert _places(0, numbers) == _places(0, [*numbers, *numbers[::-1]])


def run_twice(work, *_):
    """The graph in a plain loop, every element by two workers, as engines may do that try a bundle again."""
    shards = defaultdict(list)
    for key in work.range_keys():
        for stage in (StageRanges(work), StageRanges(work)):
            for shard, numbers in stage.process(key):
                shards[shard].append(numbers)
    elements = list(shards.items())
    counts = dict(pair for each in elements for _, pair in CountShards(work).process(each))
    for each in elements:
        for _ in range(2):
            list(WriteShards(work).process(each, counts))
    return "twice"


def test_bundles_that_are_done_twice_change_no_byte(
    raw, tmp_path, monkeypatch, build, built, digests
):
    monkeypatch.setattr("pipelines.build.run.execute", run_twice)
    assert build(raw, tmp_path / "out").status == 0
    assert digests(tmp_path / "out") == digests(built)
