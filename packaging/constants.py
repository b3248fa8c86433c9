"""Tells mypyc which names of a module are constants: it reads any other from the module's dictionary at each use.

`A = 1` becomes `A: Final = 1`, in the same line. A constant is what has a name in capitals and is assigned once.
"""

import ast
import re

CAPITALS = re.compile(r"_?[A-Z][A-Z0-9_]*$")
IMPORT = "\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Final\n"
Constant = tuple[str, ast.expr | None, ast.expr]  # name, type if one is given, value


def declared(source: str) -> str:
    """The source with its constants declared; its lines keep their numbers."""
    tree = ast.parse(source)
    assigned = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    lines = source.encode().split(b"\n")  # ast counts columns in bytes
    for node in reversed(tree.body):
        found = _assigned(node)
        rest = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :]
        is_alone = node.col_offset == 0 and not rest.startswith(b";")
        if found and is_alone and all(_is_constant(name, value, assigned) for name, _, value in found):
            _replace(lines, node, "; ".join(_written(constant, source) for constant in found))
    return b"\n".join(lines).decode() + IMPORT


def _assigned(node: ast.stmt) -> list[Constant]:
    """By a statement that gives each name a value of its own; [] of any other."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [(node.target.id, node.annotation, node.value)]
    if not isinstance(node, ast.Assign) or len(node.targets) > 1:
        return []
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name):
        return [(target.id, None, value)]
    if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
        return []
    names = [element.id if isinstance(element, ast.Name) else "" for element in target.elts]
    return [(name, None, each) for name, each in zip(names, value.elts, strict=True)]


def _is_constant(name: str, value: ast.expr, assigned: list[str]) -> bool:
    is_type = isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name)  # IP = tuple[int, int]
    # mypyc takes a tuple of these, once it is a constant, for one that was never set
    has_floats = isinstance(value, ast.Tuple) and any(isinstance(getattr(e, "value", None), float) for e in value.elts)
    is_once = name != "TYPE_CHECKING" and assigned.count(name) == 1
    return is_once and not is_type and not has_floats and CAPITALS.match(name) is not None


def _written(constant: Constant, source: str) -> str:
    name, kind, value = constant
    final = f"Final[{ast.get_source_segment(source, kind)}]" if kind else "Final"
    return f"{name}: {final} = {ast.get_source_segment(source, value)}"


def _replace(lines: list[bytes], node: ast.stmt, text: str) -> None:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    new = text.encode().split(b"\n")
    new[-1] += lines[last][node.end_col_offset or 0 :]
    lines[first : last + 1] = new + [b""] * (last - first + 1 - len(new))
