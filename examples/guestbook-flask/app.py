"""A guestbook: entries are kept in SQLite, in the folder that GUESTBOOK_DATA names."""

import os
import sqlite3
from datetime import datetime, timezone

from flask import Flask, g, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)
DATABASE = os.path.join(os.environ.get("GUESTBOOK_DATA", "/tmp"), "guestbook.sqlite")
LONGEST_ENTRY = 280


def database():
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE, timeout=5)
        g.database.row_factory = sqlite3.Row
        g.database.execute("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, name TEXT, text TEXT, at TEXT)")
    return g.database


@app.teardown_appcontext
def close(_error):
    if "database" in g:
        g.pop("database").close()


def entries():
    return database().execute("SELECT name, text, at FROM entry ORDER BY id DESC LIMIT 50").fetchall()


@app.get("/")
def show():
    return render_template("index.html", entries=entries(), longest=LONGEST_ENTRY)


@app.post("/")
def write():
    name = request.form.get("name", "").strip()[:40] or "somebody"
    text = request.form.get("text", "").strip()[:LONGEST_ENTRY]
    if text:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with database() as transaction:
            transaction.execute("INSERT INTO entry (name, text, at) VALUES (?, ?, ?)", (name, text, now))
        app.logger.warning("%s wrote %d characters", name, len(text))
    return redirect(url_for("show"), code=303)


@app.get("/entries")
def as_json():
    return jsonify([dict(entry) for entry in entries()])


@app.get("/health")
def health():
    return jsonify(ok=True, greeting=os.environ.get("GREETING", "hello"))
