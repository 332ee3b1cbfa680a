"""The README: what a newcomer copies from it, and its picture."""

import importlib.util
import re
import tomllib

import pytest
from places import ROOT

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def test_the_two_commands_are_the_first_and_one_line_each():
    """`.ci/run` finds the second by its end and runs it."""
    first, second, *_ = COMMANDS
    for command, extra, last in (first, "examples", "examples/char_lm.py"), (second, "test", "-m pytest"):
        setup = f'python3 -m venv .venv && .venv/bin/python -m pip install -e ".[{extra}]" && .venv/bin/python '
        assert command == setup + last
        assert next(line for line in PAGE.splitlines() if line.endswith(last)) == command


def test_every_command_runs_in_the_environment_and_names_a_file():
    for command in COMMANDS:
        for part in command.split(" && "):
            assert part.startswith((".venv/bin/python ", "python3 -m venv .venv")), part
            assert all((ROOT / path).is_file() for path in re.findall(r"examples/[\w.]+", part)), part


def test_every_extra_is_told_and_every_extra_that_is_told_exists():
    rows = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted([*listed, "bench"]) == sorted(EXTRAS)  # `bench` is told where the benchmarks are
    installed = re.findall(r'-e "\.\[(\w+)\]"', PAGE)
    assert set(installed) - {"NAME"} <= set(EXTRAS)


def test_no_install_line_asks_an_index_for_the_package():
    """It is on none: `pip install tinygrad_seq` would find nothing, or something else."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("examples/*"), *(ROOT / "tinygrad_seq").rglob("*.py")]:
        if path.suffix in {".md", ".py", ".ipynb"}:
            assert not re.search(r"pip install [^\n]*tinygrad_seq", path.read_text(encoding="utf-8")), path


# --- the picture ------------------------------------------------------------------------------------------


@pytest.fixture
def make():
    """docs/pictures/make.py as a module."""
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs" / "pictures" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.host("the emitted source is that for the host")
def test_the_picture_shows_every_equation_and_a_line_that_computes_it(make):
    lines = {line.strip(): make.color_of(line) for line in make.explained()}
    for color, equation, pattern in make.EQUATIONS:
        found = [line for line in lines if re.match(pattern, line)]
        assert found, f"no printed line computes {equation}"
        assert {lines[line] for line in found} == {color}
    drawn = {text.get_text() for text in make.draw().texts}
    assert drawn >= {equation for _, equation, _ in make.EQUATIONS}
    with pytest.raises(ValueError, match="'ds = da' belongs to no equation"):
        make.color_of("    ds = da")


def test_the_picture_is_small_and_on_the_page():
    (shown,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert 10_000 < (ROOT / shown).stat().st_size < 150_000
