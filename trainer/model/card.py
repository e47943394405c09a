"""The README.md of an exported model: what it is, how to use it, what it was made of."""

from collections.abc import Mapping

import yaml

from trainer.model.trained import ParameterCounts

USE = """\
```python
import torch
from PIL import Image
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

processor = InstructBlipProcessor.from_pretrained("{place}")
model = InstructBlipForConditionalGeneration.from_pretrained("{place}").eval()
inputs = processor(images=Image.open("image.jpg"), text="What is it?", return_tensors="pt")
words = model.generate(**inputs.to(model.dtype), max_new_tokens=30)
print(processor.batch_decode(words, skip_special_tokens=True)[0])
```
"""

OLDER = """\
transformers 4.46 and later read it too. Versions before 5 need `torch_dtype="auto"` in the second call; for fp32,
`torch_dtype=torch.float32` there and `.float()` after it.
"""

ONE_LENGTH = """\
Texts that are continued in one batch must have the same number of tokens: the processor pads both
tokenizers on one side, which is right for the Q-Former or for the language model, not for both.
"""


def model_card(
    place: str,
    model: Mapping[str, object],
    facts: Mapping[str, object],
    counts: ParameterCounts,
    *,
    decoder_only: bool,
) -> str:
    """The card's text. `place` is the folder's name, `model` the run's section of that name.

    `facts` are further lines of the table: step, samples, seed, hashes.
    """
    total = counts.paper + counts.frozen
    header = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["instructblip", "visinstruct", "vision-language"],
        "language": ["en"],
    }
    rows = {"parameters": f"{total:,}, of which {counts.trained:,} were trained"} | {
        name.replace("_", " "): _shown(value) for name, value in facts.items()
    }
    lines = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n",
        f"# {place}\n",
        "An InstructBLIP whose Q-Former was tuned on instructions with visinstruct. Vision encoder and",
        "language model are those it started from; their licences apply to them, and those of the",
        "datasets to what was learned.\n",
        USE.format(place=place),
        OLDER,
        *([ONE_LENGTH] if decoder_only else []),
        "| | |\n|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "\nThe model section of its configuration:\n",
        f"```yaml\n{yaml.safe_dump(dict(model), sort_keys=False)}```\n",
    ]
    return "\n".join(lines)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
