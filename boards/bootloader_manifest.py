# What every product freezes, as it stands: the bootloader's modules that a device imports, and the
# asyncio that applications use. Writers of formats, which tools on a host import, stay out.
import ast
import os

# Level 2 leaves out assertions and keeps line numbers: what a product reports can be looked up.
_LEVEL = 2

# asyncio without its network streams
package(
    "asyncio",
    ("__init__.py", "core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=_LEVEL,
)


# Paths of the module `name` and the packages around it; none if it is not of `root`.
def _files(root, name):
    parts = name.split(".")
    found = ["/".join(parts[:depth]) + "/__init__.py" for depth in range(1, len(parts) + 1)]
    found.append("/".join(parts) + ".py")
    return [path for path in found if os.path.exists(os.path.join(root, path))]


# Every name that could be a module, wherever in the source it is imported.
def _imports(path):
    with open(path) as source:
        nodes = list(ast.walk(ast.parse(source.read())))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (node.module + "." + alias.name for alias in node.names)


_root = os.path.abspath("..")
_found = set()
_wanted = _files(_root, "bootloader.boot")
while _wanted:
    _path = _wanted.pop()
    if _path not in _found:
        _found.add(_path)
        for _name in _imports(os.path.join(_root, _path)):
            _wanted += _files(_root, _name)

# sorted, so that the same inputs give the same octets
freeze(_root, tuple(sorted(_found)), opt=_LEVEL)
