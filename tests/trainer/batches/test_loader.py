from trainer.batches.loader import StepData, load_steps
from trainer.data.order.assign import BatchShape
from trainer.data.order.sample import Place, Sample
from trainer.errors import DataError


class Texts:
    """A stream of samples whose text is as long as its number says."""

    def texts(self, ks):
        return [make_sample(k) for k in ks]

    def samples(self, ks):
        if 13 in ks:
            raise DataError("sample 13 cannot be read")
        return [make_sample(k) for k in ks]


def make_sample(k: int) -> Sample:
    return Sample(
        place=Place(k, "vqav2", k, 0, k, 0, 0),
        record_id=str(k),
        group_id="g",
        template_id="t",
        instruction="x" * (k * 7 % 11),
        target="y",
    )


def numbers(samples):
    return [sample.place.k for sample in samples]


def data(shape, rank, bucketing=False):
    return StepData(Texts(), numbers, shape, rank, bucketing=bucketing)


def test_ranks_and_micro_batches_together_take_each_sample_of_a_step_once():
    for bucketing in (False, True):
        for world, micro, accumulation in ((1, 12, 1), (2, 3, 2), (3, 2, 2), (4, 1, 3)):
            shape = BatchShape(world_size=world, micro_batch=micro, accumulation=accumulation)
            taken = []
            for rank in range(world):
                step = data(shape, rank, bucketing)[2]
                assert [len(part) for part in step] == [micro] * accumulation
                taken += [k for part in step for k in part]
            assert sorted(taken) == list(range(24, 36))


def test_bucketing_puts_similar_lengths_into_one_micro_step():
    shape = BatchShape(world_size=1, micro_batch=4, accumulation=3)
    parts = data(shape, 0, bucketing=True)[0]
    lengths = [sorted(k * 7 % 11 for k in part) for part in parts]
    spans = [max(part) - min(part) for part in lengths]
    plain = data(shape, 0)[0]
    assert sum(spans) < sum(max(k * 7 % 11 for k in p) - min(k * 7 % 11 for k in p) for p in plain)


def test_steps_come_in_order_and_an_error_comes_at_its_step():
    shape = BatchShape(world_size=1, micro_batch=4)
    steps = load_steps(data(shape, 0), 1, 5, 0, pin=False)
    assert next(steps) == [[4, 5, 6, 7]]
    assert next(steps) == [[8, 9, 10, 11]]
    try:
        next(steps)
    except DataError as error:
        assert str(error) == "sample 13 cannot be read"
    else:
        raise AssertionError("the error was swallowed")
