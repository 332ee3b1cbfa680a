"""The map of the lecture, examples/README.md: what it links to, and on which line that is defined.

python tests/support/mapping.py          # writes the lines anew into the page, when code has moved
"""

import ast
import re

from places import ROOT

MAP = ROOT / "examples" / "README.md"
LINK = re.compile(r"\[(?P<name>[\w.]+)\]\(\.\./(?P<path>[\w/.]+)#L(?P<line>\d+)\)")


def line_of(path, name):
    """The line on which a file defines `name`: a function, a class, a method of it, or a value."""
    node = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        node = next((inner for inner in node.body if part in defined(inner)), None)
        if node is None:
            raise LookupError(f"{path} does not define {name}")
    return node.lineno


def defined(node):
    """The names that a statement defines."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [ast.unparse(target) for target in node.targets]
        case ast.AnnAssign():
            return [ast.unparse(node.target)]
    return []


def mended(link):
    """A link with the line on which what it names is defined."""
    name, path = link["name"], link["path"]
    return f"[{name}](../{path}#L{line_of(path, name)})"


if __name__ == "__main__":
    MAP.write_text(LINK.sub(mended, MAP.read_text(encoding="utf-8")), encoding="utf-8")
