"""The report in a real browser: filters, the address, hostile texts, and that nothing is loaded."""

import html
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from trainer.evaluation.predictions.prediction import Prediction, write_predictions
from trainer.evaluation.report.report import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed"),
]


class Watched(ThreadingHTTPServer):
    """Notes what is asked of it."""

    paths: list[str]


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Watched)
        self.server.paths.append(self.path)
        self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def watched() -> Iterator[Watched]:
    server = Watched(("127.0.0.1", 0), _Answer)
    server.paths = []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server: Watched) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def hostile(server: Watched) -> str:
    there = address(server)
    return (
        f"</script></style><img src={there}/image onerror=\"document.title='broken'\">"
        f"<script>document.title='broken'</script><script src={there}/script></script>"
        f"<link rel=stylesheet href={there}/style>"
    )


@pytest.fixture
def report(tmp_path: Path, watched: Watched) -> Path:
    """Two tasks: half of `gqa` is wrong, `vqa` has texts that want to be markup."""
    samples = {"gqa": tmp_path / "gqa.jsonl", "vqa": tmp_path / "vqa.jsonl"}
    write_predictions(samples["gqa"], [_record("gqa", number) for number in range(20)])
    text = hostile(watched)
    given = {"prompt": text, "references": (text,), "tags": {"kind": text}, "output": text}
    write_predictions(samples["vqa"], [_record("vqa", 0, **given)])
    results = {"name": "run", "tasks": {"gqa": {"notes": [text]}, "vqa": {}}}
    written = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(written, "PNG")
    return write_report(tmp_path, results, samples, lambda name, each: [written.getvalue()])


def _record(task: str, number: int, **given: Any) -> Prediction:
    standard = {
        "prompt": f"what is number {number}?",
        "output": "A red Umbrella" if number < 4 else "a dog",
        "references": ("cat",),
        "tags": {"domain": "near" if number % 5 else "out & far"},
        "score": float(number % 2),
    }
    return Prediction(
        record_id=f"{task}/val/{number}", number=number, group_id="", **{**standard, **given}
    )


def dom(profile: Path, page: str, *more_flags: str) -> str:
    """The page as the browser has it when its scripts have run."""
    assert BROWSER is not None
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--no-first-run", "--allow-file-access-from-files"),
        *("--virtual-time-budget=5000", f"--user-data-dir={profile / 'profile'}", "--dump-dom"),
        *more_flags,
    ]
    done = subprocess.run([BROWSER, *flags, page], capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def shown(page: str) -> list[str]:
    """The ids of the records that are not hidden."""
    records = re.findall(r'<li class="record"([^>]*)>.*?class="id"[^>]*>(.*?)<', page, re.DOTALL)
    return [record_id for attributes, record_id in records if "hidden" not in attributes]


def shown_text(page: str) -> str:
    [found] = re.findall(r"<output[^>]*>(.*?)</output>", page)
    return str(found)


@pytest.mark.parametrize(
    ("address_part", "fits"),
    [
        ("", lambda task, number: True),
        ("#task=gqa", lambda task, number: task == "gqa"),
        ("#task=gqa&verdict=wrong", lambda task, number: task == "gqa" and number % 2 == 0),
        ("#verdict=right", lambda task, number: number % 2 == 1),
        ("#text=uMBRella", lambda task, number: task == "gqa" and number < 4),
        ("#text=gqa%2Fval%2F1", lambda task, number: task == "gqa" and str(number)[0] == "1"),
        ("#tag=domain%3Dout+%26+far", lambda task, number: task == "gqa" and number % 5 == 0),
        ("#task=unknown", lambda task, number: False),
    ],
)
def test_the_address_filters(tmp_path: Path, report: Path, address_part: str, fits: Any) -> None:
    page = dom(tmp_path, f"{report.as_uri()}{address_part}")
    everything = [("gqa", number) for number in range(20)] + [("vqa", 0)]
    wanted = {f"{task}/val/{number}" for task, number in everything if fits(task, number)}
    assert len(wanted) == len(shown(page))
    assert set(shown(page)) == wanted
    assert shown_text(page) == f"{len(wanted)} shown of 21"
    assert ('id="none" hidden' in page) == bool(wanted)


DRIVER = """<!doctype html><iframe src="report.html"></iframe><pre></pre><script>
const frame = document.querySelector("iframe"), log = document.querySelector("pre");
const wait = (time) => new Promise((done) => setTimeout(done, time));
frame.onload = async () => {
  frame.onload = null;
  const inner = frame.contentDocument, form = inner.getElementById("filters");
  const note = async (name) => {
    await wait(400);
    const address = frame.contentWindow.location.hash;
    log.textContent += `${name}|${form.elements.shown.value}|${address}\\n`;
  };
  const change = (field, value) => {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  change(form.elements.task, "gqa");
  await note("task");
  form.querySelector("input[value=wrong]").click();
  await note("verdict");
  change(form.elements.text, "umbrella");
  await note("text");
  form.querySelector("button[type=reset]").click();
  await note("reset");
  inner.querySelector(".record button[data-tag^=domain]").click();
  await note("tag");
  inner.querySelector(".record:not([hidden]) button[aria-pressed=true]").click();
  await note("tag again");
  [...inner.querySelectorAll(".results a")].find((link) => link.textContent === "vqa").click();
  await note("link");
  inner.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
  await note(inner.activeElement.name);
};
</script>"""


def test_fields_buttons_links_and_keys_filter_and_the_address_follows(
    tmp_path: Path, report: Path
) -> None:
    driver = report.with_name("driver.html")
    driver.write_text(DRIVER)
    [log] = re.findall(r"<pre>(.*?)</pre>", dom(tmp_path, driver.as_uri()), flags=re.DOTALL)
    assert html.unescape(log).splitlines() == [
        "task|20 shown of 21|#task=gqa",
        "verdict|10 shown of 21|#task=gqa&verdict=wrong",
        "text|2 shown of 21|#task=gqa&verdict=wrong&text=umbrella",
        "reset|21 shown of 21|",
        "tag|4 shown of 21|#tag=domain%3Dout+%26+far",
        "tag again|21 shown of 21|",
        "link|1 shown of 21|#task=vqa",
        "text|1 shown of 21|#task=vqa",
    ]


def test_hostile_texts_stay_texts_and_nothing_is_loaded(
    tmp_path: Path, report: Path, watched: Watched
) -> None:
    page = dom(tmp_path, report.as_uri())
    assert "<title>run" in page
    assert set(re.findall(r"<img [^>]*?src=\"(.{23})", page)) == {"data:image/jpeg;base64,"}
    assert html.unescape(page).count(hostile(watched)) >= 5
    assert page.count("<script") == 2 and page.count("<link") == 0
    assert watched.paths == []


def test_the_watching_server_would_have_seen_a_request(tmp_path: Path, watched: Watched) -> None:
    page = tmp_path / "careless.html"
    page.write_text(f"<!doctype html>{hostile(watched)}")
    assert "<title>broken" in dom(tmp_path, page.as_uri())
    assert {"/image", "/script", "/style"} <= set(watched.paths)


LAYOUT = """<!doctype html><iframe src="report.html" style="width:%WIDTH%px;height:900px;border:0"></iframe><pre></pre><script>
const frame = document.querySelector("iframe"), log = document.querySelector("pre");
const luminance = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255);
  const [r, g, b] = parts.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
frame.onload = () => {
  const inner = frame.contentDocument, view = frame.contentWindow, note = (text) => (log.textContent += text + "\\n");
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = view.getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  note(`wider by ${inner.documentElement.scrollWidth - inner.documentElement.clientWidth}`);
  for (const element of inner.body.querySelectorAll("*")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!text || !box.width || element.closest(".unseen, .skip, script, option")) continue;
    const both = [view.getComputedStyle(element).color, behind(element)].map(luminance);
    const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (contrast < 4.5) note(`contrast ${contrast.toFixed(1)}: ${element.outerHTML.slice(0, 60)}`);
    if (box.right > %WIDTH% + 1) note(`beyond the edge: ${element.outerHTML.slice(0, 60)}`);
  }
  const failed = inner.querySelector("[role=alert]").getBoundingClientRect();
  note(failed.bottom <= inner.querySelector("table.results").getBoundingClientRect().top);
  const figures = [...inner.querySelectorAll("tbody td[data-label=InstructBLIP]")];
  note(new Set(figures.map((each) => Math.round(each.getBoundingClientRect().left))).size);
};
</script>"""


DARK = "--blink-settings=preferredColorScheme=0"


@pytest.mark.parametrize("flags", [(), (DARK,)], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_cut_off_or_faint_and_tasks_without_a_score_stand_first(
    tmp_path: Path, width: int, flags: tuple[str, ...]
) -> None:
    """Contrast of at least 4.5 is what WCAG 2.2 asks of text (1.4.3); columns of different tasks are in line."""
    long = "a" * 90
    samples = {
        name: tmp_path / f"{name}.jsonl" for name in ("gqa", "visdial.of_another_name", long)
    }
    given = {
        "prompt": f"{long} " * 9,
        "output": long,
        "candidates": (long, "b"),
        "log_probs": (-1.0, -123.25),
        "num_candidates": 2,
        "correct_choice": 0,
    }
    for name, path in samples.items():
        write_predictions(path, [_record(name, number, **given) for number in range(3)])
    score = {"headline": "x", "values": {"x": {"value": 12.3, "stderr": 10.2}}}
    waits = {"status": "server", "num_asked": 0, "metric": "vqa_official_2021", "split": "test_dev"}
    facts = {"num_scored": 107_393, "num_records": 107_394, "metric": "vqa_official_2021"}
    paper = {"instructblip": 119.9, "blip2": 104.5}
    tasks = {
        "gqa": {**score, **facts, "paper": paper, "split": "test_dev", "notes": [long]},
        "visdial.of_another_name": {**waits, "paper": paper},
        long: {**score, **facts, "split": long},
    }
    results = {
        "name": long,
        "tasks": tasks,
        "failed": {"iconqa": f"task iconqa: {long}"},
        "left_out": {"ivqa": long},
        "dataset": {"path": f"/{long}", "notes": [long]},
        "averages": {"held_out": {"sets": ["gqa", "ivqa"], "lacking": ["ivqa"], "value": None}},
    }
    written = io.BytesIO()
    Image.new("RGB", (400, 30), "green").save(written, "PNG")
    write_report(tmp_path, results, samples, lambda name, each: [written.getvalue()] * 4)
    driver = tmp_path / "layout.html"
    driver.write_text(LAYOUT.replace("%WIDTH%", str(width)))
    page = dom(tmp_path, driver.as_uri(), *flags)
    [log] = re.findall(r"<pre>(.*?)</pre>", page, flags=re.DOTALL)
    assert html.unescape(log).splitlines() == ["wider by 0", "true", "1"]
