"""Short clips: one object moves, grows, shrinks or changes its colour."""

from dataclasses import dataclass, replace
from random import Random

from datagen.sample.scenes import (
    CELL_SIDE,
    CELLS,
    COLORS,
    GRID,
    Object,
    Scene,
    make_object,
    make_scene,
    random_for,
    with_size,
)

CHANGES = ("move", "grow", "shrink", "change color")


@dataclass(frozen=True)
class Clip:
    """Two states of one scene. Object `mover` changes between them, all else stays.

    The first quarter shows `before`, the last quarter `after`: 4 frames from the middles of 4 equal
    parts see both ends and two states between.
    """

    before: Scene
    after: Scene
    change: str
    mover: int
    num_frames: int = 32
    frames_per_second: int = 16

    @property
    def seconds(self) -> int:
        return self.num_frames // self.frames_per_second

    @property
    def direction(self) -> str | None:
        """Direction of a moving object: left, right, up or down."""
        start, end = self.before.objects[self.mover], self.after.objects[self.mover]
        if start.column != end.column:
            return "right" if end.column > start.column else "left"
        if start.row != end.row:
            return "down" if end.row > start.row else "up"
        return None


def make_clip(seed: int, collection: str, index: int) -> Clip:
    """Clip `index` of a collection, a pure function of its arguments; half have a second object.

    Objects move along a row or column that the other object is not in.
    """
    random = random_for(seed, collection, index, "clip")
    still = make_scene(seed, collection, index, num_objects=1, num_words=0)
    first = still.objects[0]
    change = random.choice(CHANGES)
    second = _changed(first, change, random)
    if change in ("grow", "shrink"):
        first = with_size(first, "small" if change == "grow" else "big")
    others: list[Object] = []
    if random.random() < 0.5:
        free = [cell for cell in range(len(CELLS)) if _clear_of(cell, first, second)]
        others.append(_differing(random, random.choice(free), first, second))
    return Clip(
        before=replace(still, objects=(first, *others)),
        after=replace(still, objects=(second, *others)),
        change=change,
        mover=0,
    )


def _changed(thing: Object, change: str, random: Random) -> Object:
    if change == "grow":
        return with_size(thing, "big")
    if change == "shrink":
        return with_size(thing, "small")
    if change == "change color":
        return replace(thing, color=random.choice([c for c in COLORS if c != thing.color]))
    in_line = [
        cell
        for cell in range(len(CELLS))
        if cell != thing.cell and (cell // GRID == thing.row or cell % GRID == thing.column)
    ]
    return replace(thing, cell=random.choice(in_line))


def _clear_of(cell: int, first: Object, second: Object) -> bool:
    row, column = divmod(cell, GRID)
    if first.row == second.row and row == first.row:
        return False
    return not (first.column == second.column and column == first.column)


def _differing(random: Random, cell: int, *things: Object) -> Object:
    """An object that shares neither shape nor colour with any of `things`."""
    while True:
        other = make_object(random, cell)
        if all(other.shape != t.shape and other.color != t.color for t in things):
            return other


def scene_at(clip: Clip, frame: int) -> Scene:
    """Return the scene of a frame; a moving object's offset leads out of its first cell."""
    time = (frame + 0.5) / clip.num_frames
    progress = min(max((time - 0.25) / 0.5, 0.0), 1.0)
    start, end = clip.before.objects[clip.mover], clip.after.objects[clip.mover]
    between = replace(
        start,
        color=end.color if progress >= 0.5 else start.color,
        radius=start.radius + progress * (end.radius - start.radius),
        offset=(
            start.offset[0] + progress * (end.column - start.column) * CELL_SIDE,
            start.offset[1] + progress * (end.row - start.row) * CELL_SIDE,
        ),
    )
    objects = list(clip.before.objects)
    objects[clip.mover] = between
    return replace(clip.before, objects=tuple(objects))
