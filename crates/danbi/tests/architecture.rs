//! The house rules of ARCHITECTURE.md that a machine can check.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may depend on, of ours. A crate that is not listed fails the test: decide its place first.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("danbi-core", &[]),
    ("danbi-sandbox", &[]),
    ("danbi-wire", &["danbi-core"]),
    ("danbi-store", &["danbi-core"]),
    ("danbi-blobs", &["danbi-core"]),
    ("danbi-deploy", &["danbi-core"]),
    ("danbi-runtime", &["danbi-core", "danbi-sandbox"]),
    (
        "danbi-apigateway",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-blobs"],
    ),
    (
        "danbi-cloudformation",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-blobs"],
    ),
    ("danbi-patterns", &[]),
    ("danbi-outbox", &["danbi-core", "danbi-store"]),
    (
        "danbi-events",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-blobs",
            "danbi-outbox",
            "danbi-patterns",
        ],
    ),
    ("danbi-keyring", &["danbi-store"]),
    (
        "danbi-kms",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-keyring"],
    ),
    (
        "danbi-ssm",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-keyring",
            "danbi-outbox",
        ],
    ),
    (
        "danbi-sns",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-blobs",
            "danbi-outbox",
            "danbi-patterns",
        ],
    ),
    (
        "danbi-sqs",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-keyring"],
    ),
    (
        "danbi-rds",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-blobs",
            "danbi-sandbox",
        ],
    ),
    ("danbi-iam", &["danbi-core", "danbi-wire", "danbi-store", "danbi-blobs"]),
    (
        "danbi-logs",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-blobs"],
    ),
    (
        "danbi-s3",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-blobs",
            "danbi-keyring",
        ],
    ),
    (
        "danbi-dynamodb",
        &["danbi-core", "danbi-wire", "danbi-store", "danbi-blobs"],
    ),
    (
        "danbi-lambda",
        &[
            "danbi-core",
            "danbi-wire",
            "danbi-store",
            "danbi-blobs",
            "danbi-outbox",
            "danbi-runtime",
        ],
    ),
];

/// Free to depend on all: the composition root, the build system and the benchmarks.
const MAY_DEPEND_ON_ALL: &[&str] = &["danbi", "xtask", "bench-store", "bench-dynamodb", "bench"];

const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let rules: BTreeMap<_, _> = MAY_DEPEND_ON.iter().copied().collect();
    let mut broken = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        if MAY_DEPEND_ON_ALL.contains(&name) {
            continue;
        }
        let Some(allowed) = rules.get(name) else {
            broken.push(format!("{name} has no place in the list of this test"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let wanted = dependency["name"].as_str().unwrap();
            if ours.contains(wanted) && wanted != name && !allowed.contains(&wanted) && dependency["kind"] != "dev" {
                broken.push(format!("{name} may not depend on {wanted}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn unsafe_code_lives_in_the_sandbox_only() {
    let broken: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("crates/sandbox") && !path.ends_with("tests/architecture.rs"))
        .filter(|(_, text)| {
            text.lines()
                .any(|line| line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl"))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(broken.is_empty(), "unsafe outside crates/sandbox: {broken:?}");
}

#[test]
fn no_file_is_two_rooms() {
    let broken: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.lines().take(5).any(|line| line.starts_with("//! Generated by")))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    assert!(broken.is_empty(), "files past {MAX_LINES} lines: {broken:?}");
}

/// Every Rust file of the workspace with its path below the root.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path
                    .file_name()
                    .is_some_and(|name| name != "target" && name != "node_modules")
                {
                    walk(&path, root, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((
                    path.strip_prefix(root).expect("below the root").to_owned(),
                    fs::read_to_string(&path).expect("a readable source"),
                ));
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    for top in ["crates", "xtask", "bench"] {
        if root.join(top).exists() {
            walk(&root.join(top), &root, &mut found);
        }
    }
    assert!(found.len() > 20, "the walk found the sources");
    found
}
