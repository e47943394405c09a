"""Import of a plain list of prompts, as papers print them, into a template file.

    1. {Question} Answer in a few words.
    2. Question: {Question} Short answer:

becomes a YAML file of templates with ids and fields. Names in braces are matched to the task's fields
whatever their case; `{Options}` is `choices`, and a list is printed the way the paper writes it.
"""

import re
from difflib import get_close_matches

import yaml

from templates.errors import UnsupportedSyntaxError
from templates.language import compile_template
from templates.tasks import TASKS, FieldKind, Task

_NUMBER = re.compile(r"^\s*(?:\(?\d+[.)]|[-*\u2022])\s+")
_IMAGE = re.compile(r"^\s*[<{\[]\s*image\s*[>}\]]\s*", re.IGNORECASE)
_FIELD = re.compile(r"\{+\s*([^{}]*?)\s*\}+")
_ALIASES = {"options": "choices", "option": "choices", "choice": "choices", "ocr": "ocr_tokens"}


def import_prompts(text: str, task: str) -> str:
    """Return the YAML of a template file with a template for each prompt of `text`, one a line.

    Blank lines and lines that start with `#` are skipped; numbers, bullets, quotes around a whole
    prompt and `<Image>` in front of it are removed.

    Raises:
        ValueError: there is no prompt, or prompts name unknown fields; lists every line at fault.
    """
    description = TASKS[task]
    prompts: list[str] = []
    errors: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            prompt = _template(_bare(line), description)
            compile_template(prompt, description.fields)
            prompts.append(prompt)
        except UnsupportedSyntaxError as error:
            errors.append(f"line {number}: {error.message}; {error.remedy}")
    if errors:
        raise ValueError("\n  ".join(["prompts cannot be imported:", *errors]))
    if not prompts:
        raise ValueError("no prompts in the file; write one a line")
    (target,) = description.target
    is_flag = description.fields[target] is FieldKind.FLAG
    content = {
        "task": task,
        "target": f"{{{{ 'yes' if {target} else 'no' }}}}" if is_flag else f"{{{{ {target} }}}}",
        "templates": [
            {"id": f"{task}.imported.{number}", "instruction": prompt}
            for number, prompt in enumerate(prompts, start=1)
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000)


def _bare(line: str) -> str:
    prompt = _IMAGE.sub("", _NUMBER.sub("", line)).strip()
    if len(prompt) > 1 and prompt[0] in "\"'" and prompt[-1] == prompt[0]:
        prompt = prompt[1:-1]
    return prompt


def _template(prompt: str, task: Task) -> str:
    """Return a prompt with `{Question}`-like names written as fields of `task`."""

    def field(found: re.Match[str]) -> str:
        name = re.sub(r"[\s-]+", "_", found[1]).lower()
        name = _ALIASES.get(name, name)
        match task.fields.get(name):
            case None:
                similar = get_close_matches(name, task.fields, n=1)
                hint = f"did you mean {{{similar[0]}}}? " if similar else ""
                remedy = f"{hint}this task has {', '.join(sorted(task.fields))}"
                raise UnsupportedSyntaxError(f"unknown field {found[0]}", remedy)
            case FieldKind.LIST if name == "choices":
                return "{{ choices | lettered }}"
            case FieldKind.LIST:
                return f"{{% if {name} %}}{{{{ {name}[:30] | join(', ') }}}}{{% endif %}}"
            case FieldKind.TURNS:
                turn = "{{ turn['question'] }} {{ turn['answer'] }} "
                return (
                    f"{{% if {name} %}}{{% for turn in {name} %}}{turn}{{% endfor %}}{{% endif %}}"
                )
        return f"{{{{ {name} }}}}"

    return _FIELD.sub(field, prompt)
