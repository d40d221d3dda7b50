"""Projects as other tools leave them: `danbi deploy` says what they are, builds them, and leaves out what only builds."""

import json
import os

import pytest
from test_cli import answer, cli  # noqa: F401

HANDLER = "import humanize\n\n\ndef lambda_handler(event, context):\n    return humanize.intcomma(1234567)\n"
PROJECT = """
[project]
name = "a-name-that-is-no-module"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = ["humanize>=4,<5"]
"""
POETRY = """
[tool.poetry]
name = "a-name-that-is-no-module"
version = "0.1.0"
description = ""
authors = ["Nobody <nobody@example.com>"]
package-mode = false

[tool.poetry.dependencies]
python = ">=3.9,<4.0"
humanize = { version = "^4.0", python = ">=3.8" }
absent = { version = "*", optional = true }

[tool.poetry.group.dev.dependencies]
pytest = "^8"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""


@pytest.mark.parametrize("manifest", [PROJECT, POETRY], ids=["pyproject", "poetry"])
def test_a_python_project_brings_what_its_manifest_lists(cli, danbi, tmp_path, manifest):  # noqa: F811
    app = tmp_path / "listed"
    app.mkdir()
    (app / "pyproject.toml").write_text(manifest)
    (app / "lambda_function.py").write_text(HANDLER)
    deployed = json.loads(cli("deploy", app, "--json").stdout)
    assert "pyproject.toml lists its dependencies" in deployed["because"]
    assert "humanize/" in [group["path"] for group in deployed["report"]["installed"]]
    assert answer(danbi, "listed").body == b"1,234,567"


def test_of_a_site_that_vite_builds_only_the_result_goes_in(cli, danbi, tmp_path):  # noqa: F811
    app = tmp_path / "vite-site"
    (app / "src").mkdir(parents=True)
    (app / "package.json").write_text('{"name": "vite-site", "private": true, "type": "module", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "^5.4.0"}}')
    (app / "index.html").write_text('<!doctype html><title>Rain</title><script type="module" src="/src/main.js"></script>')
    (app / "src" / "main.js").write_text("document.title = 'It rains';\n")
    deployed = json.loads(cli("deploy", app, "--json").stdout)
    assert [group["path"] for group in deployed["report"]["own"]] == ["dist/"] and deployed["report"]["installed"] == []
    page = answer(danbi, "vite-site")
    assert page.status == 200 and b"<title>Rain</title>" in page.body and b"/assets/" in page.body
    assert answer(danbi, "vite-site", "src/main.js").status == 404


def test_a_go_program_is_compiled(cli, danbi, tmp_path):  # noqa: F811
    app = tmp_path / "goes"
    app.mkdir()
    (app / "go.mod").write_text("module example.com/goes\n\ngo 1.19\n")
    (app / "main.go").write_text('package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"os"\n)\n\nfunc main() {\n\thttp.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "Go says %s", r.URL.Path) })\n\tpanic(http.ListenAndServe(":"+os.Getenv("PORT"), nil))\n}\n')
    deployed = json.loads(cli("deploy", app, "--json").stdout)
    assert deployed["kind"] == "go" and [group["path"] for group in deployed["report"]["own"]] == ["server"]
    assert answer(danbi, "goes", "x").body == b"Go says /x"


def test_a_package_too_large_for_a_request_goes_by_way_of_s3(cli, danbi, tmp_path):  # noqa: F811
    app = tmp_path / "large"
    app.mkdir()
    (app / "index.html").write_text("small")
    content = os.urandom(56 << 20)
    (app / "large.bin").write_bytes(content)
    for version in ("1", "2"):
        deployed = json.loads(cli("deploy", app, "--json").stdout)
        assert deployed["version"] == version and deployed["report"]["packed_bytes"] > 50 << 20
        (app / "index.html").write_text("changed")
    assert answer(danbi, "large").body == b"changed"
    assert answer(danbi, "large", "large.bin").body == content
    s3 = danbi.client("s3")
    [bucket] = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert bucket == "danbi-deploy-000000000000-us-east-1"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket), "what was on its way is gone"
