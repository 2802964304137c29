"""Draws the picture of docs/architecture.md from the imports: packages, floor by floor, and what each has in it.

`python docs/make_architecture.py` puts it into the page; a test holds the page against the code.
"""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- picture -->\n", "<!-- end of picture -->"


def first_line(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def floors() -> list[list[str]]:
    """The packages of each floor, the highest first, as the import contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return [layer.split(" | ") for layer in contracts[0]["layers"]]


def imported(package: Path) -> set[str]:
    """The other packages of procrun that a file of `package` imports."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("procrun."):
                found.add(str(node.module).split(".")[1])
            elif isinstance(node, ast.ImportFrom) and node.module == "procrun":
                found |= {alias.name for alias in node.names}
    return found - {package.name}


def picture() -> str:
    """Floors as a Mermaid flowchart, with an arrow to each package that is imported; then a table of all modules."""
    packages = [name for floor in floors() for name in floor]
    lines = ["```mermaid", "flowchart TD"]
    for number, floor in enumerate(floors()):
        lines += [f"  subgraph floor{number} [ ]", f"    {' ~~~ '.join(floor)}", "  end"]
    for name in packages:
        lines += [f"  {name} --> {other}" for other in packages if other in imported(ROOT / "procrun" / name)]
    lines += ["```", ""]
    for name in packages:
        lines += _contents(ROOT / "procrun" / name)
    return "\n".join(lines) + "\n"


def _contents(package: Path) -> list[str]:
    title = str(package.relative_to(ROOT / "procrun")).replace("/", ".")
    lines = [f"#### {title}", "", first_line(package / "__init__.py"), "", "| file | what it is |", "|---|---|"]
    for path in sorted(package.glob("*.py")):
        if path.name != "__init__.py":
            lines.append(f"| `{path.name}` | {first_line(path).replace('|', chr(92) + '|')} |")
    lines.append("")
    for below in sorted(path.parent for path in package.glob("*/__init__.py")):
        lines += _contents(below)
    return lines


def page() -> str:
    """The page with a new picture in it."""
    text = PAGE.read_text()
    return re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + picture() + END, text, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page())
