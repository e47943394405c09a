"""Scenes and clips as pixels and files. The same scene always gives the same bytes."""

import math
from functools import cache
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from PIL import Image, ImageDraw, ImageFont

from datagen.sample.clips import Clip, scene_at
from datagen.sample.scenes import CELL_SIDE, GRID, Object, Scene, Word

SIDE = GRID * CELL_SIDE
RGB = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 40),
    "purple": (160, 50, 190),
    "white": (240, 240, 240),
}
TEXT_RGB = (195, 195, 195)
_TEXT_HEIGHT = 15


def draw_scene(scene: Scene, side: int = SIDE) -> Image.Image:
    image = Image.new("RGB", (side, side), scene.background)
    canvas = ImageDraw.Draw(image)
    for thing in scene.objects:
        _draw_object(canvas, thing, side / SIDE)
    for word in scene.words:
        center = _center(word.cell, side / SIDE)
        canvas.text(center, word.text, fill=TEXT_RGB, font=_font(side), anchor="mm")
    return image


def word_box(word: Word, side: int = SIDE) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a printed word, in pixels."""
    x, y = _center(word.cell, side / SIDE)
    left, top, right, bottom = _font(side).getbbox(word.text, anchor="mm")
    return x + left, y + top, x + right, y + bottom


def encode_jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def encode_png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def write_clip(path: Path, clip: Clip, side: int = SIDE) -> None:
    """An MPEG-4 video in the container that the path's suffix names: .avi or .mp4.

    One thread and no version strings, so that two runs give the same bytes.
    """
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=clip.frames_per_second)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 400_000
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= CodecFlags.bitexact
        for index in range(clip.num_frames):
            pixels = np.asarray(draw_scene(scene_at(clip, index), side))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@cache
def _font(side: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=_TEXT_HEIGHT * side / SIDE)
    assert isinstance(font, ImageFont.FreeTypeFont), "this Pillow was built without FreeType"
    return font


def _center(cell: int, scale: float) -> tuple[float, float]:
    row, column = divmod(cell, GRID)
    return (column + 0.5) * CELL_SIDE * scale, (row + 0.5) * CELL_SIDE * scale


def _draw_object(canvas: ImageDraw.ImageDraw, thing: Object, scale: float) -> None:
    red, green, blue = (min(max(value + thing.tint, 0), 255) for value in RGB[thing.color])
    fill = (red, green, blue)
    x, y = _center(thing.cell, scale)
    x, y = x + thing.offset[0] * scale, y + thing.offset[1] * scale
    radius = thing.radius * scale
    box = (x - radius, y - radius, x + radius, y + radius)
    if thing.shape == "circle":
        canvas.ellipse(box, fill=fill)
    elif thing.shape == "square":
        canvas.rectangle(box, fill=fill)
    elif thing.shape == "triangle":
        canvas.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=fill)
    else:
        assert thing.shape == "star", thing.shape
        canvas.polygon(_star(x, y, radius), fill=fill)


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """A five-pointed star, a little wider than the other shapes so that it covers enough pixels."""
    points = []
    for corner in range(10):
        reach = radius * (0.48 if corner % 2 else 1.15)
        angle = math.pi * (corner / 5 - 0.5)
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points
