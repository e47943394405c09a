import pickle

import torch

from trainer.batches.transfer import pack
from trainer.data.order.sample import Replacement
from trainer.model.batch import Batch


def make_batch(first: int) -> Batch:
    ids = torch.arange(6).view(2, 3)
    return Batch(
        pixels=torch.full((2, 3, 5, 5), first, dtype=torch.uint8),
        features=torch.randn(2, 3).half() if first % 2 else None,
        qformer_ids=ids,
        qformer_mask=torch.ones_like(ids),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        labels=ids,
        ks=torch.tensor([first, first + 1]),
        num_frames=1,
        num_placeholders=0,
        sources=("vqav2", "okvqa"),
        record_ids=("a", "b"),
        replaced=(Replacement(first, 0, "c", "unreadable"),),
    )


def check_equal(ours, theirs):
    for name, value in vars(theirs).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(ours, name), value), name
            assert getattr(ours, name).dtype == value.dtype
        else:
            assert getattr(ours, name) == value, name


def test_a_step_is_unpacked_as_it_was_and_lies_in_one_block_whatever_its_micro_batches():
    step = [make_batch(number) for number in range(64)]
    packed = pack(step)
    assert packed.is_shared
    again = packed.unpack()
    assert len(again) == 64
    for ours, theirs in zip(again, step, strict=True):
        check_equal(ours, theirs)
    storages = {batch.pixels.untyped_storage().data_ptr() for batch in again}
    assert len(storages) == 1


def test_without_room_in_shared_memory_a_step_travels_as_bytes(monkeypatch):
    def refuse(num_bytes):
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", refuse)
    step = [make_batch(3)]
    packed = pickle.loads(pickle.dumps(pack(step)))
    assert not packed.is_shared
    check_equal(packed.unpack()[0], step[0])


def test_an_item_without_tensors_is_unpacked_as_it_was():
    assert pack([[1, 2], "text"]).unpack() == [[1, 2], "text"]
