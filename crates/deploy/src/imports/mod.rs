//! Finds modules that the app imports and the package does not hold.

mod node;

use crate::plan::{Build, Kind, Plan};
use crate::run::{self, QUESTION_TIME_OUT};
use crate::select::Selected;
use crate::{Config, toolchain};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Source files that are scanned, at most.
const MAX_SCANNED: usize = 2_000;
const SCAN: &str = include_str!("scan.py");

/// A module that is imported and not there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MissingModule {
    /// Its name.
    pub module: String,
    /// The first file that imports it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// The modules that `own` files import and that are neither among `own`, nor `installed`, nor the language's. A scan
/// that cannot be made (no interpreter) finds nothing.
pub(crate) fn missing(plan: &Plan, config: &Config, own: &[Selected], installed: &[Selected]) -> Vec<MissingModule> {
    let python = plan.runtime.starts_with("python") || matches!(plan.build, Build::Pip { .. });
    let node = plan.runtime.starts_with("nodejs") && plan.kind != Kind::Static;
    match (python, node) {
        (true, _) => python_missing(config, own, installed),
        (_, true) => node::missing(own, installed),
        _ => Vec::new(),
    }
}

#[derive(Deserialize)]
struct Scan {
    imports: Vec<Import>,
    standard: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Import {
    file: String,
    line: u32,
    module: String,
}

fn python_missing(config: &Config, own: &[Selected], installed: &[Selected]) -> Vec<MissingModule> {
    let Some(python) = toolchain::python(config) else {
        return Vec::new();
    };
    let scanned = own
        .iter()
        .filter(|file| file.path.ends_with(".py") && !is_test(&file.path))
        .take(MAX_SCANNED);
    let by_source: BTreeMap<String, &str> = scanned
        .map(|file| (file.source.to_string_lossy().into_owned(), file.path.as_str()))
        .collect();
    let mut command = Command::new(python.program);
    command.args(["-c", SCAN]).args(by_source.keys());
    let printed = run::run(&mut command, QUESTION_TIME_OUT, "");
    let Some(scan) = printed.ok().and_then(|text| serde_json::from_str::<Scan>(&text).ok()) else {
        return Vec::new();
    };
    let present: BTreeSet<&str> = own.iter().chain(installed).map(|file| top_level(&file.path)).collect();
    let mut found: BTreeMap<String, MissingModule> = BTreeMap::new();
    for import in scan.imports {
        // A file's neighbours can be imported when it is run as a script or its folder is on the path.
        let file = by_source.get(&import.file).copied().unwrap_or_default();
        let neighbours = file
            .rsplit_once('/')
            .map(|(folder, _)| format!("{folder}/{}", import.module));
        let beside = neighbours.is_some_and(|path| own.iter().any(|other| other.path.starts_with(&path)));
        if present.contains(import.module.as_str()) || scan.standard.contains(&import.module) || beside {
            continue;
        }
        let missing = MissingModule {
            module: import.module.clone(),
            file: file.to_owned(),
            line: import.line,
        };
        found.entry(import.module).or_insert(missing);
    }
    found.into_values().collect()
}

/// The importable name of a package's first path segment: `x` for `x.py`, `x/…` and `x.cpython-311-….so`.
fn top_level(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    if first.len() == path.len() {
        first.split('.').next().unwrap_or(first)
    } else {
        first
    }
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folders = path
        .split('/')
        .any(|part| part == "tests" || part == "test" || part == "__tests__");
    folders
        || name.starts_with("test_")
        || name == "conftest.py"
        || name == "setup.py"
        || name.contains(".test.")
        || name.contains(".spec.")
}
