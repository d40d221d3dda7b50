"""Prints, for the Python files named as arguments, the modules that they import, as JSON.

Imports inside `try … except ImportError` and `if TYPE_CHECKING` are optional and not printed.
"""

import ast
import json
import sys


def optional(node):
    if isinstance(node, ast.Try):
        names = {leaf.id for handler in node.handlers for leaf in ast.walk(handler.type or ast.Name("Exception")) if isinstance(leaf, ast.Name)}
        return bool(names & {"ImportError", "ModuleNotFoundError", "Exception"})
    if isinstance(node, ast.If):
        return any(getattr(leaf, "id", getattr(leaf, "attr", "")) == "TYPE_CHECKING" for leaf in ast.walk(node.test))
    return False


def imports(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name.split(".")[0], child.lineno
        elif isinstance(child, ast.ImportFrom):
            if not child.level and child.module:
                yield child.module.split(".")[0], child.lineno
        elif not optional(child):
            yield from imports(child)


found = []
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        continue
    found.extend({"file": path, "line": number, "module": module} for module, number in imports(tree))
json.dump({"imports": found, "standard": sorted(sys.stdlib_module_names)}, sys.stdout)
