import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from a copy of the sources and unpacked far from them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    packages = ("templates", "datagen", "trainer", "configs", "pipelines", "visinstruct")
    for name in (*packages, "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", ROOT / name, source / name], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("visinstruct-*.whl")
    site = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    return site


def visinstruct(site, cwd, *arguments):
    """Run the command of the wheel; `-I` and PYTHONPATH keep the source folder out of sight."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from pipelines.cli.main import main; "
    code += "import pipelines; assert pipelines.__file__.startswith(sys.path[0]); "
    code += "sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def test_the_wheel_works_from_another_folder(installed, tmp_path):
    for arguments in (
        ["templates", "lint"],
        ["sample", "--scenes", "12", "--out", "raw"],
        ["build", "--raw", "raw", "--out", "out", "--template-dir", "plain"],
        ["show", "out", "--source", "msvd_qa"],
        ["configs", "copy", "nano_cpu", "--out", "mine"],
        ["build", "--raw", "raw", "--out", "images", "--images", "embed"],
        ["train", "mine/nano_cpu.yaml", "--dry-run", "data.dataset=images"],
    ):
        done = visinstruct(installed, tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    assert (tmp_path / "out/manifest.json").is_file()


def test_the_wheel_holds_every_module_and_every_template(installed):
    for folder in ("templates", "datagen", "trainer", "configs", "pipelines"):
        ours = {
            path.relative_to(ROOT)
            for pattern in ("*.py", "*.yaml", "*.json", "*.safetensors")
            for path in (ROOT / folder).rglob(pattern)
        }
        assert len(ours) >= 19
        assert {path for path in ours if not (installed / path).is_file()} == set()


def test_a_foreign_package_of_the_same_name_is_told_of(installed, tmp_path):
    foreign = tmp_path / "templates"
    foreign.mkdir()
    (foreign / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(installed)!r}]; "
    code += "from pipelines.cli.main import shadowed_package; print(shadowed_package())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert f"the package 'templates' is found at {foreign}, which hides ours" in done.stdout
