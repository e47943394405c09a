import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trainer.errors import EvaluationError
from trainer.evaluation.predictions.prediction import Prediction, write_predictions
from trainer.evaluation.report.choosing import Verdict, choose, standing
from trainer.evaluation.report.report import write_report
from trainer.evaluation.report.visible import visible

MALICIOUS = "</script><img src=x onerror=\"document.title='broken'\">"
Make = Callable[..., str]


def prediction(number: int = 0, **given: Any) -> Prediction:
    standard = {
        "record_id": f"gqa/testdev/{number}",
        "group_id": str(number),
        "prompt": "what is it?",
    }
    return Prediction(
        number=number, **{**standard, "output": "cat", "references": ("dog",), **given}
    )


def image(colour: str = "red", size: tuple[int, int] = (300, 200)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


def task(metric: str = "exact_match_lavis", **given: Any) -> dict[str, Any]:
    values = {"accuracy": {"value": 48.23, "stderr": 0.61}, "other": {"value": 7.0, "stderr": None}}
    return {
        **{"split": "testdev", "metric": metric, "headline": "accuracy", "values": values},
        **{"num_scored": 2, "num_asked": 2, "num_records": 12578, "status": "scored"},
        **{
            "paper": {"instructblip": 49.2, "blip2": None},
            "differences": [],
            "notes": [],
            "by": {},
        },
        **given,
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes the report of one task; returns the page."""

    def made(
        predictions: Sequence[Prediction],
        *,
        results: dict[str, Any] | None = None,
        thumbnails: Callable[[str, Prediction], Sequence[bytes]] = lambda name, each: [],
        **options: Any,
    ) -> str:
        path = tmp_path / "samples_gqa.jsonl"
        write_predictions(path, predictions)
        found = {"name": "run", "tasks": {"gqa": task()}} if results is None else results
        report = write_report(tmp_path, found, {"gqa": path}, thumbnails, **options)
        assert report == options.get("out", tmp_path / "report.html")
        assert not list(tmp_path.glob("*.part"))
        return report.read_text(encoding="utf-8")

    return made


def texts(page: str) -> str:
    """Return the text of a page without markup, script and style."""
    without = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", without)))


def embedded(page: str) -> dict[str, str]:
    [found] = re.findall(r'<script type="application/json" id="images">(.*?)</script>', page)
    thumbnails: dict[str, str] = json.loads(found)
    return thumbnails


def order(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'class="id" data-text>gqa/testdev/(\d+)<', page)]


def test_texts_of_a_model_or_dataset_are_never_markup(make: Make) -> None:
    hostile = prediction(
        record_id=f"gqa/{MALICIOUS}",
        prompt=MALICIOUS,
        output=MALICIOUS,
        normalised=f"{MALICIOUS} ",
        references=(MALICIOUS,),
        normalised_references=("x", MALICIOUS),
        candidates=(MALICIOUS, "b"),
        log_probs=(-1.0, -2.0),
        tags={MALICIOUS: MALICIOUS},
        images=(MALICIOUS,),
        score=0.0,
    )
    results = {
        "name": MALICIOUS,
        "model": {"path": MALICIOUS, MALICIOUS: MALICIOUS},
        "left_out": {MALICIOUS: MALICIOUS},
        "tasks": {"gqa": task(differences=[MALICIOUS], notes=[MALICIOUS], by={MALICIOUS: {}})},
    }
    page = make([hostile], results=results)
    assert "<img src=x" not in page and 'onerror="' not in page
    assert page.count("</script>") == 2
    assert texts(page).count(MALICIOUS) >= 12


def test_the_page_allows_itself_only_its_own_script_and_style_and_no_network(make: Make) -> None:
    page = make([prediction(score=0.0)])
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="(.*?)"', page)[0])
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        [text] = re.findall(rf"<{kind}>(.*?)</{kind}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"(src|href)=[\"']?(https?:)?//|url\(|@import|innerHTML", page)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\rb\vc\fd\0", "a⟨CR⟩b⟨VT⟩c⟨FF⟩d⟨NUL⟩"),
        ("a\u2028b\u2029\x85", "a⟨U+2028⟩b⟨U+2029⟩⟨U+0085⟩"),
        ("\u202eabc\u200b\ufeff", "⟨U+202E⟩abc⟨U+200B⟩⟨U+FEFF⟩"),
        ("one\ntwo", "one↵\ntwo"),
        (" red  dog ", "␣red  dog␣"),
        ("  ", "␣␣"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("\ud800", "⟨U+D800⟩"),
        ("Käse 犬 🐶", "Käse 犬 🐶"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_image_that_records_share_is_embedded_once_and_small(make: Make) -> None:
    red, blue = image("red"), image("blue", (50, 20))
    predictions = [prediction(number, score=0.0) for number in range(9)]
    page = make(predictions, thumbnails=lambda name, each: [blue if each.number == 4 else red])
    assert page.count('data-image="p0"') == 8 and page.count('data-image="p1"') == 1
    thumbnails = [
        Image.open(io.BytesIO(base64.b64decode(data))) for data in embedded(page).values()
    ]
    assert [(each.format, each.size) for each in thumbnails] == [
        ("JPEG", (192, 128)),
        ("JPEG", (50, 20)),
    ]


def test_four_frames_of_a_clip_stand_side_by_side(make: Make) -> None:
    frames = [image(colour) for colour in ("red", "green", "blue", "white", "black")]
    page = make([prediction(score=0.0)], thumbnails=lambda name, each: frames)
    assert 'class="images frames"' in page
    assert re.findall(r'alt="(frame \d of [^"]*)"', page)[-1] == "frame 4 of gqa/testdev/0"
    assert len(embedded(page)) == 4


def test_a_image_that_cannot_be_shown_is_named(make: Make) -> None:
    predictions = [
        prediction(0, score=0.0, images=("gqa/1.jpg",)),
        prediction(1, score=0.0, images=("gqa/2.jpg",)),
    ]
    page = make(predictions, thumbnails=lambda name, each: [b"no image"] if each.number else [])
    assert "image not at hand: gqa/1.jpg" in texts(page)
    assert "image not readable: " in texts(page)


def test_wrong_ones_come_lowest_first_and_are_counted(make: Make) -> None:
    scores = [0.9, 0.0, 1.0, 0.3, 0.0, 1.0, 0.6]
    predictions = [prediction(number, score=score) for number, score in enumerate(scores)]
    page = make(predictions, most_wrong=3, most_right=1)
    assert order(page) == [1, 4, 3, 5]
    assert "2 of 2 wrong, 1 of 3 partly right, 1 of 2 right" in texts(page)


def test_of_equal_scores_those_shown_lie_evenly_over_the_set() -> None:
    predictions = [prediction(number, score=0.0 if number % 2 else 1.0) for number in range(2000)]
    choice = choose(predictions, "vqa_lavis", 4, 2)
    assert list(choice.shown) == [251, 751, 1251, 1751, 1000 - 500, 1500]
    assert choice.counts == {Verdict.WRONG: 1000, Verdict.RIGHT: 1000}
    assert choose(iter(predictions), "vqa_lavis", 4, 2) == choice
    assert not choose(predictions, "vqa_lavis", 0, 0).shown


def test_captions_show_the_lowest_and_the_highest(make: Make) -> None:
    predictions = [prediction(number, score=(number * 7 % 10) / 4) for number in range(10)]
    page = make(predictions, results={"tasks": {"gqa": task("cider")}}, most_wrong=3, most_right=2)
    assert order(page) == [0, 3, 6, 7, 4]
    assert "the 3 lowest and 2 highest of 10" in texts(page)
    assert page.count('data-verdict="wrong"') == 3 and page.count('data-verdict="right"') == 2
    assert "lowest score 25.0 gqa/testdev/3" in texts(page)


def test_a_small_set_of_captions_is_half_lowest_half_highest() -> None:
    predictions = [prediction(number, score=float(number)) for number in range(5)]
    shown = choose(predictions, "cider", 48, 12).shown
    assert list(shown.items()) == [
        *((number, Verdict.LOWEST) for number in range(3)),
        *((number, Verdict.HIGHEST) for number in (4, 3)),
    ]


def test_records_without_a_score_of_their_own_are_judged_by_their_label() -> None:
    def verdict(log_probs: tuple[float, ...], label: bool) -> tuple[Verdict, float]:
        words = ("yes", "true", "no", "false")
        wanted = prediction(candidates=words, log_probs=log_probs, num_positive=2, label=label)
        return standing(wanted, "auroc")

    surely_yes, tied = (-1.0, -2.0, -5.0, -6.0), (-1.0, -1.0, -1.0, -1.0)
    assert verdict(surely_yes, True) == (Verdict.RIGHT, pytest.approx(4.0))
    assert verdict(surely_yes, False) == (Verdict.WRONG, pytest.approx(-4.0))
    assert verdict(tied, True).verdict is Verdict.RIGHT
    assert verdict(tied, False).verdict is Verdict.WRONG


def test_a_ranked_record_is_never_right_in_part() -> None:
    ranked = prediction(candidates=("a", "b"), log_probs=(-1.0, -2.0), correct_choice=1, score=0.5)
    assert standing(ranked, "visdial").verdict is Verdict.WRONG


def test_a_ranked_record_tells_where_the_right_one_stood(make: Make) -> None:
    ranked = prediction(
        candidates=tuple(f"answer{number}" for number in range(100)),
        log_probs=tuple(-(number * 37 % 100) / 4 for number in range(100)),
        correct_choice=1,
        relevance=(0.4,) * 100,
        num_candidates=100,
        score=1 / 38,
    )
    page = texts(make([ranked]))
    assert "the right answer is at rank 38 of 100" in page
    assert "1 answer0 0.00 0.40 2 answer73 -0.25 0.40 3 answer46 -0.50 0.40" in page
    assert "38 answer1 ✓ -9.25 0.40" in page and "answer92" in page and "answer65" not in page


def test_a_vocabulary_s_right_answer_may_be_beyond_those_saved(make: Make) -> None:
    ten = tuple(f"answer{number}" for number in range(10))
    given = {"candidates": ten, "log_probs": tuple(-float(n) for n in range(10))}
    far = prediction(0, **given, num_candidates=2423, references=("dog",), score=0.0)
    near = prediction(1, **given, num_candidates=2423, references=("answer7",), score=0.0)
    page = texts(make([far, near]))
    assert "the right answer is not among the 10 best of 2,423" in page
    assert "the right answer is at rank 8 of 2,423" in page


def test_verbalizers_tell_their_log_odds_and_label(make: Make) -> None:
    wanted = prediction(
        candidates=("yes", "true", "no", "false"),
        log_probs=(-3.0, -3.0, -1.0, -1.0),
        num_positive=2,
        label=True,
    )
    page = texts(make([wanted], results={"tasks": {"gqa": task("auroc")}}))
    assert "log-odds of yes -2.00; label yes" in page
    assert "yes ✓" in page and "true ✓" in page and "no ✓" not in page


def test_references_are_counted_and_empty_or_hidden_ones_marked(make: Make) -> None:
    seen = prediction(0, output="", references=("red",) * 7 + ("dog",), normalised="", score=0.0)
    hidden = prediction(1, references=None)
    page = texts(make([seen, hidden]))
    assert "Output empty" in page
    assert "References red \u00d7 7 dog" in page
    assert "References hidden" in page
    assert "1 of 1 wrong, 1 of 1 unscored" in page


def test_normalised_text_is_shown_where_it_differs(make: Make) -> None:
    same = prediction(0, normalised="cat", normalised_references=("dog",), score=0.0)
    assert "Normalised" not in texts(make([same]))
    other = prediction(
        0, output="A Cat.", normalised="cat", normalised_references=("a",), score=0.0
    )
    assert "Output A Cat. Normalised cat References dog Compared with a" in texts(make([other]))


def test_records_left_out_are_counted_and_not_shown(make: Make) -> None:
    page = make([prediction(0, skipped="image not readable"), prediction(1, score=0.0)])
    assert order(page) == [1]
    assert "1 of 1 wrong, 1 left out" in texts(page)


def test_the_table_has_this_run_beside_the_paper(make: Make) -> None:
    results = {
        "name": "my run",
        "date": "2026-08-30",
        "model": {"path": "M", "dtype": "bfloat16"},
        "dataset": {"path": "OUT", "content_hash": "ab" * 32},
        "versions": {"torch": "2.13.0"},
        "tasks": {
            "gqa": task(differences=["beams", "prompt"], notes=["2 empty"]),
            "vizwiz": task(status="server", values={}, server="EvalAI", num_scored=0),
            "vizwiz@val": task(split="val", stands_in_for="test", comparable=False),
        },
        "averages": {"held_out": {"value": 31.25, "sets": ["gqa"], "lacking": []}},
    }
    page = texts(make([], results=results))
    assert "my run model M dataset OUT content hash abababababab date 2026-08-30" in page
    assert "gqa testdev exact match 48.2 ± 0.6 49.2 - 2 of 12,578" in page
    assert "2 differences from the paper's evaluation beams prompt Notes 2 empty" in page
    assert "vizwiz testdev exact match - (server)" in page
    assert "vizwiz@val val * exact match 48.2 ± 0.6 - - 2 of 12,578 not comparable" in page
    assert "held-out average (8 sets) 31.2" in page


@pytest.mark.parametrize(
    "results", [{}, {"tasks": {"gqa": {}}}, {"averages": {"x": 3.0}, "model": None}]
)
def test_results_may_lack_anything(make: Make, results: dict[str, Any]) -> None:
    page = make([prediction(score=0.0)], results=results)
    assert "1 of 1 wrong" in texts(page)


def test_images_are_read_of_the_records_shown_only_in_the_order_of_the_set(make: Make) -> None:
    wanted: list[tuple[str, int]] = []

    def read(name: str, each: Prediction) -> list[bytes]:
        wanted.append((name, each.number))
        return []

    predictions = [prediction(number, score=1 - number / 100) for number in range(50)]
    make(predictions, thumbnails=read, most_wrong=3, most_right=1)
    assert wanted == [("gqa", 0), ("gqa", 47), ("gqa", 48), ("gqa", 49)]


def test_damaged_or_missing_samples_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "samples_gqa.jsonl"
    with pytest.raises(EvaluationError, match=r"no such file: .*samples_gqa\.jsonl"):
        write_report(tmp_path, {}, {"gqa": path}, lambda name, each: [])
    path.write_bytes(b'{"record_id"')
    with pytest.raises(EvaluationError, match="line 1: no prediction"):
        write_report(tmp_path, {}, {"gqa": path}, lambda name, each: [])
    assert not (tmp_path / "report.html").exists()


def test_the_report_can_be_written_elsewhere(make: Make, tmp_path: Path) -> None:
    assert "run" in make([], out=tmp_path / "other.html")


def test_tags_offer_their_values_unless_there_are_too_many(make: Make) -> None:
    predictions = [
        prediction(
            number,
            tags={"domain": "near" if number % 2 else "out", "title": str(number)},
            score=0.0,
        )
        for number in range(100)
    ]
    page = make(predictions, most_wrong=100)
    assert re.findall(r'<optgroup label="(.*?)">', page) == ["domain"]
    assert re.findall(r'<option value="(.*?)">', page) == ["", "", "domain=near", "domain=out"]
    assert 'data-tag="title=7"' in page


def test_tasks_without_a_score_are_above_the_table_with_the_reason(make: Make) -> None:
    failed = {"vsr": "task vsr: record 3: no label"}
    results = {"name": "run", "tasks": {"gqa": task()}, "failed": failed}
    page = make([prediction(score=0.0)], results=results)
    assert "1 task without a score" in texts(page)
    assert "vsr" in texts(page) and "record 3: no label" in texts(page)
    assert page.index("record 3: no label") < page.index("<table")


def test_what_a_dataset_says_about_itself_is_below_the_table(make: Make) -> None:
    note = "the templates are visinstruct's own text"
    results = {"name": "run", "tasks": {"gqa": task()}, "dataset": {"notes": [note]}}
    assert f"Dataset: {note}." in texts(make([prediction(score=0.0)], results=results))


def test_a_split_that_waits_for_its_server_has_no_count_of_records(make: Make) -> None:
    waits = task(status="server", num_asked=0, num_scored=0, expected_records=8000)
    page = make([prediction(score=0.0)], results={"name": "run", "tasks": {"gqa": waits}})
    assert '<td data-label="Records" class="figure">-</td>' in page
