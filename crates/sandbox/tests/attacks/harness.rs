//! As much of libtest as `cargo test` and nextest need, and the second run of every test as an ordinary user.

use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// Nobody's uid, for the runs as an ordinary user.
const ORDINARY: u32 = 65_534;

/// Who a test makes sense for.
#[derive(Clone, Copy, PartialEq)]
pub enum For {
    /// Both root and an ordinary user.
    All,
    /// Root: it needs cgroups or interface pairs.
    Root,
}

pub type Test = (&'static str, For, fn());

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn main(arguments: &[String]) {
    let tests = names();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    if flag("--list") {
        if !flag("--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return;
    }
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| {
                if flag("--exact") {
                    name == *filter
                } else {
                    name.contains(filter.as_str())
                }
            })
    };
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, test) in tests.iter().filter(|(name, _)| wanted(name)) {
        let as_user = name.starts_with("user::") && is_root();
        let outcome = if as_user {
            run_as_user(name)
        } else {
            catch_unwind(AssertUnwindSafe(test)).is_ok()
        };
        println!("test {name} ... {}", if outcome { "ok" } else { "FAILED" });
        if outcome {
            passed += 1
        } else {
            failed.push(name.clone())
        }
    }
    println!("\n{passed} passed; {} failed {failed:?}", failed.len());
    std::process::exit(i32::from(!failed.is_empty()) * 101);
}

fn names() -> Vec<(String, fn())> {
    let mut names = Vec::new();
    let tests = [
        crate::host::TESTS,
        crate::life::TESTS,
        crate::templates::TESTS,
        crate::timing::TESTS,
        crate::waiting::TESTS,
    ]
    .concat();
    for (name, who, test) in tests {
        if is_root() {
            names.push((format!("root::{name}"), test));
        }
        if who == For::All {
            names.push((format!("user::{name}"), test));
        }
    }
    names
}

/// A copy of this binary that nobody can read, wherever it was built.
pub fn readable_copy() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open.clone()).unwrap();
    let copy = folder.path().join("attacks");
    let exe = std::env::current_exe().unwrap();
    if std::fs::hard_link(&exe, &copy).is_err() {
        std::fs::copy(&exe, &copy).unwrap();
    }
    std::fs::set_permissions(&copy, open).unwrap();
    (folder, copy)
}

/// Runs this test again as nobody.
fn run_as_user(name: &str) -> bool {
    let (_folder, copy) = readable_copy();
    let mut command = Command::new(&copy);
    command.args([name, "--exact"]).env("TMPDIR", "/tmp").current_dir("/");
    command.uid(ORDINARY).gid(ORDINARY).status().unwrap().success()
}
