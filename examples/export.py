"""
Writes the folder that the Hub and the community mirror serve: the whole project in one `pipeline.py`.

diffusers downloads one file with a custom pipeline, and no data. So the modules are merged into one, each after those
it needs; imports move to the top, those of the project's own modules fall away, and nothing else is rewritten.
"""

import ast
import re
import symtable
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
PIPELINE = "pipeline_spacetime_attn"
ASSETS = ("layout/english", "layout/transformer")
_WIDTH = 119  # of lines
MARK = "# Made by `spacetime-attn export` from the modules of spacetime_attn: change those, not this file."


def export(folder: str | Path, assets_repo: str | None = None) -> list[Path]:
    """
    Writes `pipeline.py`, `README.md`, the language model and the layout transformer into `folder`.

    Args:
        folder: A new or empty folder, or one that an earlier export wrote, a clone of its repository too.
        assets_repo: `"user/name"` of the Hub repository that will hold the folder; the exported pipeline then fetches
            its models from there.

    Returns:
        The files that were written.

    Raises:
        ValueError: The folder holds other files, or `assets_repo` is no name of a repository.
    """
    folder = Path(folder)
    contents = {"pipeline.py": bundle(assets_repo).encode(), "README.md": (ROOT / "model_card.md").read_bytes()}
    for path in sorted(path for asset in ASSETS for path in (ROOT / asset).rglob("*")):
        if path.is_file():
            contents[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    check_folder(folder, contents.keys(), "pipeline.py", MARK)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def bundle(assets_repo: str | None = None) -> str:
    """The pipeline and every module it needs, as the text of one file."""
    modules = [Module.read(name) for name in module_order(PIPELINE)]
    _check_names(modules)
    pipeline = modules[-1]
    imports = _merged({line for module in modules for line in module.imports})
    top = "\n".join([*pipeline.header, "", MARK, "", pipeline.docstring, "", *imports]).lstrip()
    bodies = [f"# {module.path}\n# {module.summary}\n\n{module.body}" for module in modules]
    text = "\n\n\n".join([top, *bodies]) + "\n"
    return _with_assets_repo(text, assets_repo) if assets_repo else text


def module_order(name: str, order: list[str] | None = None) -> list[str]:
    """Dotted names of a module and of all that it needs of the project, each after what it needs itself."""
    order = [] if order is None else order
    for needed in relative_imports(name):
        if needed not in order:
            module_order(needed, order)
    order.append(name)
    return order


def relative_imports(name: str) -> list[str]:
    """Dotted names of the project's modules that the module `name` imports itself."""
    tree = ast.parse(_file(name).read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    for node in nodes:
        renamed = any(alias.asname or alias.name == "*" for alias in node.names)
        if node.module is None or node.col_offset or renamed:
            problem = f"`{ast.unparse(node)}` has to be `from .module import Name` at top-level"
            raise ValueError(f"Cannot merge {_file(name)}: {problem}.")
    return [".".join([*name.split(".")[: -node.level], node.module]) for node in nodes]


@dataclass(frozen=True)
class Module:
    """One source file, taken apart."""

    path: str
    header: list[str]  # the licence: lines of comment before the docstring
    docstring: str  # as it stands in the source, quotes included
    summary: str  # its first line
    imports: list[str]  # of other projects, one name a line
    body: str  # the rest

    @classmethod
    def read(cls, name: str) -> "Module":
        """Reads the module of that dotted name, which has to begin with a docstring."""
        source = _file(name).read_text(encoding="utf-8")
        lines = source.split("\n")
        tree = ast.parse(source)
        docstring, *statements = tree.body
        imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
        dropped = {number for node in [docstring, *imports] for number in _line_numbers(node, lines)}
        body = [line for number, line in enumerate(lines, 1) if number not in dropped]
        return cls(
            path=_file(name).relative_to(ROOT).as_posix(),
            header=lines[: docstring.lineno - 1],
            docstring="\n".join(lines[docstring.lineno - 1 : docstring.end_lineno]),
            summary=ast.get_docstring(tree).split("\n")[0],
            imports=[line for node in imports for line in _import_lines(node)],
            body=re.sub(r"\n{4,}", "\n\n\n", "\n".join(body).strip()),
        )

    @property
    def names(self) -> set[str]:
        """What the body defines for the whole module."""
        symbols = symtable.symtable(self.body, self.path, "exec").get_symbols()
        return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def _file(name: str) -> Path:
    return ROOT / (name.replace(".", "/") + ".py")


def _line_numbers(node: ast.stmt, lines: list[str]) -> range:
    """Of a statement and the comment right above it."""
    first = node.lineno
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return range(first, node.end_lineno + 1)


def _import_lines(node: ast.Import | ast.ImportFrom) -> list[str]:
    """One statement for each name; none for modules of the project."""
    if isinstance(node, ast.Import):
        return [ast.unparse(ast.Import([alias])) for alias in node.names]
    if node.level:
        return []
    return [ast.unparse(ast.ImportFrom(node.module, [alias], level=0)) for alias in node.names]


def _merged(lines: set[str]) -> list[str]:
    """The statements in order, with one for all names of a module."""
    names = {}
    for line in sorted(lines, key=_import_key):
        start, _, name = line.partition(" import ")
        names.setdefault(start, []).append(name)
    return [_one_import(start, ", ".join(filter(None, some))) for start, some in names.items()]


def _one_import(start: str, names: str) -> str:
    line = f"{start} import {names}" if names else start
    if len(line) <= _WIDTH:
        return line
    rows = textwrap.fill(names, _WIDTH - 1, initial_indent="    ", subsequent_indent="    ")
    return f"{start} import (\n{rows},\n)"


def _import_key(line: str) -> tuple:
    """`__future__` first, then the standard library, then the rest."""
    package = line.split()[1].split(".")[0]
    return package != "__future__", package not in sys.stdlib_module_names, line.startswith("from "), line


def _check_names(modules: list[Module]) -> None:
    """In one file a name can stand for one thing only."""
    homes = {}
    for module in modules:
        bindings = [(line.split()[-1], line) for line in module.imports]
        for name, home in [*bindings, *((name, module.path) for name in module.names)]:
            if homes.setdefault(name, home) != home:
                raise ValueError(f"`{name}` stands for two things, in {homes[name]!r} and in {home!r}: rename one.")


def _with_assets_repo(text: str, repo: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ValueError(f"`assets_repo` has to name a Hub repository such as 'user/name', got {repo!r}.")
    setting = 'os.environ.get("SPACETIME_ATTN_ASSETS_REPO")'
    return text.replace(setting, setting.replace(")", f', "{repo}")'))


def check_folder(folder: Path, names, marked: str, mark: str) -> None:
    """
    Only what an export wrote is overwritten, as the mark in one of its files tells. Dotfiles, such as a clone's
    `.git`, do not matter.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; an export is a folder.")
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    present = {path.as_posix() for path in paths if not path.parts[0].startswith(".")}
    ours = marked in present and mark in (folder / marked).read_text(encoding="utf-8")
    foreign = sorted(present - names if ours else present)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise ValueError(f"The folder {str(folder)!r} holds files that no export wrote ({shown}): name another one.")
