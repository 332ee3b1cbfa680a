"""The map of the lecture, examples/README.md: its line numbers are right, and tests run its commands."""

import ast
import re
from pathlib import Path

import pytest
from mapping import LINK, MAP, ROOT, mended
from places import TESTS

PAGE = MAP.read_text(encoding="utf-8")
LINKS = [pytest.param(link, id=link["name"]) for link in LINK.finditer(PAGE)]
COMMANDS = re.findall(r"`\.venv/bin/python (examples/\w+\.py)([^`]*)`", PAGE)
ROWS = [line[2:-2].split(" | ") for line in PAGE.splitlines() if re.match(r"\| (?!the lecture)", line)]
THUMBNAILS = ROOT / "examples" / "thumbnails"


@pytest.mark.parametrize("link", LINKS)
def test_what_is_named_is_defined_on_that_line(link):
    assert link[0] == mended(link), "python tests/support/mapping.py writes the lines anew"


def test_every_link_leads_to_a_file_and_to_a_section_of_it():
    for target, section in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", PAGE):
        path = MAP.parent / target
        assert path.is_file(), f"there is no {target}"
        if path.suffix == ".md" and section:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles], section


def test_every_link_to_a_line_says_what_is_there():
    assert PAGE.count("#L") == len(LINKS) > 80


def test_every_example_is_on_the_map():
    examples = {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    assert {script for script, _ in COMMANDS} == examples


def test_every_command_has_its_time():
    for _, _, command, time, _ in ROWS:
        assert command.count("`.venv/bin/python ") == len(re.findall(r"\d+ (?:s|min|h)\b", time)), command
    assert sum(command.count("`.venv/bin/python ") for _, _, command, _, _ in ROWS) == len(COMMANDS)


@pytest.mark.parametrize(("script", "options"), [pair for pair in COMMANDS if pair[1]])
def test_every_option_is_one_of_the_script(script, options):
    """As such, or as the name of another form of the task, a word of `command`."""
    known = [(ROOT / path).read_text(encoding="utf-8") for path in (script, "tinygrad_seq/training/learner.py")]
    for option in re.findall(r"--[\w-]+", options):
        assert any(f'"{option}"' in text for text in known) or f'{{"{option[2:]}": (' in known[0], option


# --- every command runs briefly, in one of the tests of examples -------------------------------------------


def run_briefly(tree):
    """What a file of tests runs: the examples in its table, those that it imports or checks, and scripts."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name("TASKS")], value=ast.Dict(keys=keys)):
                yield from (f"{key.value}.py" for key in keys)
            case ast.Call(func=ast.Name("check_example" | "imported"), args=[ast.Constant(str(name)), *_]):
                yield f"{name}.py"
            case ast.Constant(str(text)) if re.fullmatch(r"(?:examples/)?\w+\.py", text):
                yield text.removeprefix("examples/")


@pytest.fixture(scope="module")
def short_runs():
    files = [path for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    texts = [path.read_text(encoding="utf-8") for path in files]
    return {name for text in texts if "pytest.mark.examples" in text for name in run_briefly(ast.parse(text))}


@pytest.mark.parametrize("script", sorted({script for script, _ in COMMANDS}))
def test_every_command_runs_in_a_short_form(script, short_runs):
    assert Path(script).name in short_runs, f"no test marked `examples` runs {script}"


# --- the pictures -------------------------------------------------------------------------------------------


def test_every_thumbnail_is_small_and_on_the_map():
    shown = re.findall(r"!\[\w+\]\(thumbnails/(\w+\.png)\)", PAGE)
    assert sorted(shown) == sorted(path.name for path in THUMBNAILS.glob("*.png"))
    for name in shown:
        assert (THUMBNAILS / name).stat().st_size <= 15_000, name
        assert (ROOT / "examples" / name).with_suffix(".py").is_file(), f"{name} is of no example"


def test_a_thumbnail_stands_beside_the_command_that_draws_it():
    for _, _, command, _, pictures in ROWS:
        for name in re.findall(r"thumbnails/(\w+)\.png", pictures):
            assert f"`.venv/bin/python examples/{name}.py" in command
