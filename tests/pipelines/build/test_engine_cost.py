from pipelines.build.engine_cost import TYPICAL, measure_engine


def test_the_engine_is_measured_with_graphs_of_the_shape_of_a_build():
    found = measure_engine()
    assert found.start_seconds > 0
    assert found.seconds_per_part >= 0
    assert found.seconds_per_run >= 0
    assert found.bytes_per_run == TYPICAL.bytes_per_run
