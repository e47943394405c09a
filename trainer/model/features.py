"""A cache of what the frozen vision encoder makes of images, on this node's disk.

Half of a step's arithmetic beside FlanT5-XL, a tenth beside Vicuna-13B, is the encoder's, and its result
for an image never changes as long as the image is not augmented. States are kept *before*
`post_layernorm`, which is trained, in fp16 (LAVIS runs the whole encoder in it). Whether an image was
found or had to be encoded, its states are rounded the same way: a loss does not depend on what the
cache holds.

When it or the disk is full nothing more is written: a run reads its images in a new order in each epoch, where
dropping the least recently used would drop what is needed next.

Loader processes look images up, the process with the device encodes what they did not find:

    features, missing = cache.find(hashes)                       # in the loader
    features = cache.complete(hashes, features, missing, pixels, model.encode_pixels)
"""

import errno
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from datagen.files import locked_file, write_atomically
from trainer.config.model import FeatureCacheOptions
from trainer.errors import ConfigError, ModelError
from trainer.model.model import Model
from trainer.model.parts import vision_part

CHECKSUM_BYTES = 4
_COUNTER = "bytes"
_BYTES_PER_STATE = 2


@dataclass(frozen=True)
class FeatureCache:
    """States of images by the sha256 of their bytes; any number of processes may share a folder.

    `folder` belongs to one encoder and one preprocessing. A state is [tokens, width].
    """

    folder: Path
    max_bytes: int
    tokens: int
    width: int

    def find(self, hashes: Sequence[str]) -> tuple[Tensor, list[int]]:
        """fp16 states [n, tokens, width] of n images, and the rows that are not here (zeros)."""
        features = torch.zeros(len(hashes), self.tokens, self.width, dtype=torch.float16)
        missing = [row for row, name in enumerate(hashes) if not self._read(name, features[row])]
        return features, missing

    def complete(
        self,
        hashes: Sequence[str],
        features: Tensor,
        missing: Sequence[int],
        pixels: Tensor | None,
        encode: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """`features` with the missing rows encoded; these are also written, as long as there is room.

        `pixels` are uint8 [n, 3, side, side], on the device of `features`; None if nothing is missing.

        Raises:
            ModelError: a state is too large for fp16.
        """
        if not missing:
            return features
        assert pixels is not None, "rows are missing, but there are no pixels to make them of"
        rows = torch.tensor(list(missing), device=features.device)
        states = encode(pixels[rows]).to(torch.float16)
        if not bool(states.isfinite().all()):
            raise ModelError(
                "the encoder's states do not fit into fp16; train without `feature_cache`"
            )
        for row, state in zip(missing, states.cpu(), strict=True):
            self._write(hashes[row], state)
        return features.index_copy(0, rows, states.to(features.device))

    def _read(self, name: str, into: Tensor) -> bool:
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            return False
        if len(data) != self._num_bytes or zlib.crc32(data[:-CHECKSUM_BYTES]) != int.from_bytes(
            data[-CHECKSUM_BYTES:], "little"
        ):
            return False  # cut off by a crash: it is encoded and written again
        states = bytearray(memoryview(data)[:-CHECKSUM_BYTES])
        into.copy_(torch.frombuffer(states, dtype=torch.float16).view_as(into))
        return True

    def _write(self, name: str, state: Tensor) -> None:
        path = self._path(name)
        if not path.exists() and not self._reserve():
            return
        data = state.contiguous().numpy().tobytes()
        try:
            with write_atomically(path) as file:
                file.write(data + zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "little"))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise  # a full disk is a full cache

    def _reserve(self) -> bool:
        """Count one more file, unless it would be one too many; processes take turns."""
        with _locked(self.folder) as counter:
            used = int(counter.read_text() or 0)
            if used + self._num_bytes > self.max_bytes:
                return False
            counter.write_text(str(used + self._num_bytes))
            return True

    @property
    def _num_bytes(self) -> int:
        return self.tokens * self.width * _BYTES_PER_STATE + CHECKSUM_BYTES

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.f16"


def open_feature_cache(
    options: FeatureCacheOptions, model: Model, preprocessing: str, augmented: bool
) -> FeatureCache:
    """The cache for a model's encoder; call it before parameters are partitioned.

    `preprocessing` says in any words what is done to an image before the encoder. Another encoder,
    precision or preprocessing has a folder of its own; `max_bytes` bounds each.

    Raises:
        ConfigError: images are augmented.
    """
    if augmented:
        raise ConfigError(
            "model.feature_cache needs data.augmentation none: augmented images differ each time"
        )
    vision = vision_part(model.config)
    name = f"{encoder_hash(model)}\n{preprocessing}\n{model.image_side}"
    folder = options.folder / hashlib.sha256(name.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    patches = (model.image_side // int(str(vision.patch_size))) ** 2
    with _locked(folder) as counter:
        counter.write_text(str(sum(file.stat().st_size for file in folder.glob("??/*.f16"))))
    return FeatureCache(folder, int(options.max_bytes), patches + 1, vision.hidden_size)


def encoder_hash(model: Model) -> str:
    """sha256 of the frozen encoder's weights, dtypes and configuration."""
    vision = model.hf.vision_model
    digest = hashlib.sha256(repr(sorted(_shape_of(vision_part(model.config)))).encode())
    parts: tuple[nn.Module, ...] = (vision.embeddings, vision.encoder)
    for part in parts:
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _shape_of(vision: object) -> Iterator[tuple[str, str]]:
    for key in ("num_attention_heads", "patch_size", "hidden_act", "layer_norm_eps"):
        yield key, str(getattr(vision, key))


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """The file that counts bytes, held by this process alone; a killed holder leaves it free."""
    with locked_file(folder / "lock"):
        counter = folder / _COUNTER
        counter.touch()
        yield counter
