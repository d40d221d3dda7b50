"""The servers under comparison, each with what it promises of durability."""

import contextlib
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from measured import Server, danbi, free_port, process  # noqa: E402


@contextlib.contextmanager
def dynalite(folder):
    port = free_port()
    command = [os.environ["DYNALITE_BIN"], "--port", port, "--path", folder / "data", "--createTableMs", 0]
    with process(command, port, folder / "log") as child:
        yield Server("dynalite", "LevelDB, written and not synced", port, child.pid)


@contextlib.contextmanager
def moto(folder):
    port = free_port()
    with process([os.environ["MOTO_BIN"], "-H", "127.0.0.1", "-p", port], port, folder / "log") as child:
        yield Server("moto", "memory only", port, child.pid)


@contextlib.contextmanager
def dynoxide(folder):
    port = free_port()
    command = [os.environ["DYNOXIDE_BIN"], "--host", "127.0.0.1", "--port", port, "--db-path", folder / "dynoxide.db"]
    with process(command, port, folder / "log") as child:
        yield Server("dynoxide", "SQLite WAL with its default, synchronous FULL: synced with each commit", port, child.pid)


SERVERS = {"danbi": danbi, "dynalite": dynalite, "moto": moto, "dynoxide": dynoxide}
NEEDS = {"dynalite": ("DYNALITE_BIN", "dynalite"), "moto": ("MOTO_BIN", "moto_server"), "dynoxide": ("DYNOXIDE_BIN", "dynoxide")}


def available():
    """The servers that can be started here; the others are named."""
    found = ["danbi"]
    for name, (variable, program) in NEEDS.items():
        os.environ.setdefault(variable, shutil.which(program) or "")
        if os.environ[variable]:
            found.append(name)
        else:
            print(f"LACKING: {name} is not measured; say where it is with {variable}")
    return found
