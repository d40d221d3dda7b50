//! `require("x")`, `import … from "x"`, `import("x")` in the text of JavaScript files.

use super::{MAX_SCANNED, MissingModule, is_test};
use crate::select::Selected;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Node's own modules, of any version that still runs: <https://nodejs.org/api/modules.html#built-in-modules>.
const BUILT_IN: [&str; 46] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "sea",
    "sqlite",
    "stream",
    "string_decoder",
    "sys",
    "test",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
    "undici",
];
const ENDINGS: [&str; 3] = [".js", ".mjs", ".cjs"];
/// Larger files are bundles, which hold what they need.
const MAX_SOURCE: u64 = 512 * 1024;

pub(super) fn missing(own: &[Selected], installed: &[Selected]) -> Vec<MissingModule> {
    let present: BTreeSet<String> = installed
        .iter()
        .filter_map(|file| package(file.path.strip_prefix("node_modules/")?))
        .collect();
    let mut found: BTreeMap<String, MissingModule> = BTreeMap::new();
    let sources = own
        .iter()
        .filter(|file| ENDINGS.iter().any(|ending| file.path.ends_with(ending)) && file.size <= MAX_SOURCE);
    for file in sources
        .filter(|file| !is_test(&file.path) && !is_for_browsers(&file.path))
        .take(MAX_SCANNED)
    {
        let Ok(text) = fs::read_to_string(&file.source) else {
            continue;
        };
        for (line, specifier) in imports(&text) {
            let Some(name) = package(&specifier) else { continue };
            if present.contains(&name) || BUILT_IN.contains(&name.as_str()) {
                continue;
            }
            let missing = MissingModule {
                module: name.clone(),
                file: file.path.clone(),
                line,
            };
            found.entry(name).or_insert(missing);
        }
    }
    found.into_values().collect()
}

/// Files that a server sends rather than runs.
fn is_for_browsers(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "public" | "static" | "assets" | "dist" | ".next" | "build"))
}

/// The package of a module specifier: `@a/b` for `@a/b/c`, nothing for paths, aliases and `node:` names.
fn package(specifier: &str) -> Option<String> {
    if specifier.starts_with(['.', '/', '#', '~']) || specifier.contains(':') {
        return None;
    }
    let segments = if specifier.starts_with('@') { 2 } else { 1 };
    let name = specifier.split('/').take(segments).collect::<Vec<_>>().join("/");
    let grammar = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '/' | '-' | '_' | '.');
    (!name.is_empty() && name != "@" && name.chars().all(grammar)).then_some(name)
}

fn imports(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut in_comment = false;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        if in_comment || trimmed.starts_with("/*") {
            in_comment = !trimmed.contains("*/");
            continue;
        }
        if trimmed.starts_with("//") {
            continue;
        }
        let called = ["require(", "import("]
            .into_iter()
            .flat_map(|call| line.match_indices(call).map(move |(at, _)| at + call.len()));
        let from = (trimmed.starts_with("import ") || trimmed.starts_with("export ") || trimmed.starts_with('}'))
            .then(|| line.rfind(" from ").map(|at| at + 6))
            .flatten();
        let bare = trimmed
            .starts_with("import '")
            .then_some(7)
            .or(trimmed.starts_with("import \"").then_some(7));
        let bare = bare.map(|at| line.len() - trimmed.len() + at);
        found.extend(
            called
                .chain(from)
                .chain(bare)
                .filter_map(|at| Some((number, quoted(line[at..].trim_start())?))),
        );
    }
    found
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let rest = &text[1..];
    rest.find(quote).map(|end| rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_import_is_seen() {
        let text = "const a = require('a'), b = require(\"@s/b/deep\");\nimport c from 'c';\nimport {\n  d\n} from \"d\";\nimport 'e';\n\
                    const f = await import('f');\n// require('no')\n/* require('no') */\nrequire('./own'); require('node:fs');\n";
        let packages: Vec<String> = imports(text)
            .into_iter()
            .filter_map(|(_, specifier)| package(&specifier))
            .collect();
        assert_eq!(packages, ["a", "@s/b", "c", "d", "e", "f"]);
    }
}
