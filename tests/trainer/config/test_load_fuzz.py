"""Whatever stands in a configuration file: it loads, or the error is a ConfigError."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.config.load import load_config
from trainer.config.run import RunConfig
from trainer.config.shipped import shipped_configs, shipped_folder
from trainer.errors import ConfigError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=20),
    st.sampled_from(["1e-5", "nano", "instructblip", "", "~", "[", "${x}", "../..", "\0"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(values: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value below `values`."""
    if not isinstance(values, dict):
        return [above]
    return [above, *(p for key, inner in values.items() for p in places(inner, (*above, key)))]


def base(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(shipped_configs()[name].read_text())
    return values


@st.composite
def changed(draw: st.DrawFn) -> Any:
    values = copy.deepcopy(base(draw(st.sampled_from(["nano_cpu", "flan_t5_xl", "vicuna_7b"]))))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(values)))
        holder = values
        for key in place[:-1]:
            holder = holder[key]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if not place:
            return draw(VALUES)
        if how == "remove":
            del holder[place[-1]]
        else:
            key = place[-1] if how == "replace" else draw(st.text(max_size=8))
            holder[key] = draw(VALUES)
        if not values:
            break
    return values


def load_or_refuse(path: Any, overrides: list[str]) -> str:
    try:
        config = load_config(path, overrides)
    except ConfigError as error:
        assert str(error)
        return "refused"
    assert isinstance(config, RunConfig)
    return "loaded"


def test_mutated_files_load_or_are_refused(tmp_path):
    seen: dict[str, int] = {"loaded": 0, "refused": 0}

    @settings(max_examples=250, suppress_health_check=list(HealthCheck))
    @given(changed())
    def check(values: Any) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
        seen[load_or_refuse(path, [])] += 1

    check()
    assert min(seen.values()) > 5, seen


def test_any_bytes_load_or_are_refused(tmp_path):
    good = (shipped_folder() / "nano_cpu.yaml").read_bytes()

    @settings(max_examples=200, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=60), st.integers(0, len(good)), st.integers(0, 40))
    def check(inserted: bytes, at: int, removed: int) -> None:
        path = tmp_path / "run.yaml"
        path.write_bytes(good[:at] + inserted + good[at + removed :])
        load_or_refuse(path, [])

    check()


@settings(max_examples=200)
@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_overrides_load_or_are_refused(overrides: list[str]) -> None:
    load_or_refuse(shipped_folder() / "nano_cpu.yaml", overrides)


@settings(max_examples=200)
@given(st.sampled_from(["optimizer.steps", "data", "model.init", "data.mixture.factors"]), VALUES)
def test_any_value_of_an_override_loads_or_is_refused(key: str, value: Any) -> None:
    written = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n")
    load_or_refuse(shipped_folder() / "nano_cpu.yaml", [f"{key}={written}"])


@pytest.mark.parametrize(
    "text", ["extends: 3", "extends: .", "extends: [a]", "extends: run.yaml", "a: *b", "? [a]\n: b"]
)
def test_odd_files_are_refused(tmp_path, text):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_config(tmp_path / "run.yaml")
