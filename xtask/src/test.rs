//! `cargo xtask test`: everything that has to be green, in one command. Its last line is `N passed, N failed`.

use crate::setup::{self, TestEnvironment};
use crate::step::{Done, cargo, find, root, run, target};
use std::process::Command;
use std::time::Duration;

const CHECK_TIME_OUT: Duration = Duration::from_secs(300);
const BUILD_TIME_OUT: Duration = Duration::from_secs(3600);
const RUST_TIME_OUT: Duration = Duration::from_secs(3600);
const CLIENTS_TIME_OUT: Duration = Duration::from_secs(2400);
/// Client tests at once: each starts a platform of its own.
const CLIENT_WORKERS: usize = 4;

/// What the steps found.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// Steps that failed, for the end.
    broken: Vec<String>,
}

/// Runs the verb. `--no-clients` leaves the client tests out, `--no-rust` the workspace's own.
pub fn run_all(arguments: &[String]) -> Result<(), String> {
    let with = |flag: &str| !arguments.iter().any(|argument| argument == flag);
    if let Some(unknown) = arguments
        .iter()
        .find(|argument| !["--no-clients", "--no-rust"].contains(&argument.as_str()))
    {
        return Err(format!(
            "unknown argument {unknown}: usage: cargo xtask test [--no-rust] [--no-clients]"
        ));
    }
    let mut tally = Tally::default();
    title("set-up");
    let environment = setup::for_tests()?;
    for missing in &environment.missing {
        println!("  missing: {missing}");
    }
    if with("--no-rust") {
        title("format");
        tally.one(
            "format",
            run(cargo().args(["fmt", "--all", "--check"]), CHECK_TIME_OUT)?,
        );
        title("clippy");
        let mut clippy = cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]);
        tally.one("clippy", run(&mut clippy, BUILD_TIME_OUT)?);
        title("workspace tests");
        tally.rust(&workspace_tests()?);
    }
    if with("--no-clients") {
        title("client tests");
        let built = run(
            cargo().args(["build", "--package", "danbi", "--locked"]),
            BUILD_TIME_OUT,
        )?;
        if built.success {
            tally.clients(&client_tests(&environment)?);
        } else {
            tally.one("build of danbi", built);
        }
    }
    for step in &tally.broken {
        println!("broken: {step}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 {
        Ok(())
    } else {
        Err("not everything is green".into())
    }
}

fn title(what: &str) {
    println!("\n== {what}");
}

fn workspace_tests() -> Result<Done, String> {
    let mut command = cargo();
    if find("cargo-nextest").is_some() {
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--status-level=fail",
            "--final-status-level=fail",
            "--show-progress=none",
        ]);
    } else {
        command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    }
    run(&mut command, RUST_TIME_OUT)
}

fn client_tests(environment: &TestEnvironment) -> Result<Done, String> {
    let mut command = Command::new(&environment.python);
    command.args([
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        // What was left out for want of a program is named.
        "-rs",
        "-n",
        &CLIENT_WORKERS.to_string(),
        // Tests that share a deployment stay together.
        "--dist",
        "loadgroup",
        "tests/clients",
    ]);
    command
        .current_dir(root())
        .env("DANBI_BIN", target().join("debug/danbi"))
        .env("DANBI_TEST_ENV", &environment.folder);
    // What the tests set themselves must not be mixed with what the user has.
    for name in [
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "DANBI_ENDPOINT",
        "DANBI_DATA",
        "PYTHONPATH",
    ] {
        command.env_remove(name);
    }
    command
        .env("AWS_CLI", "/usr/bin/aws")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut command, CLIENTS_TIME_OUT)
}

impl Tally {
    /// A step that is one check.
    fn one(&mut self, what: &str, done: Done) {
        if done.success {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.broken.push(format!("{what}: {}", done.outcome));
        }
    }

    fn rust(&mut self, done: &Done) {
        self.counted("workspace tests", done, &counts(&done.output));
    }

    fn clients(&mut self, done: &Done) {
        self.counted("client tests", done, &counts(&done.output));
    }

    /// A step of many tests. One that fails without a failed test (it did not compile, it hung) counts as a failure.
    fn counted(&mut self, what: &str, done: &Done, (passed, failed): &(u64, u64)) {
        self.passed += passed;
        self.failed += failed;
        if !done.success {
            self.broken.push(format!("{what}: {}", done.outcome));
            if *failed == 0 {
                self.failed += 1;
            }
        }
    }
}

/// Passed and failed tests by the last summary of nextest (`5 passed, 1 failed`) or pytest (`1 failed, 5 passed, 1 error`),
/// or by all summaries of cargo test (`test result: ok. 5 passed; 0 failed`).
fn counts(output: &str) -> (u64, u64) {
    let number = |line: &str, words: &[&str]| {
        let parts = line.split([',', ';', ':', '.', '=']).map(str::trim);
        parts
            .filter_map(|part| part.split_once(' '))
            .filter(|(_, rest)| words.iter().any(|word| rest.split_whitespace().next() == Some(word)))
            .filter_map(|(number, _)| number.parse::<u64>().ok())
            .sum::<u64>()
    };
    let read = |line: &str| {
        (
            number(line, &["passed"]),
            number(line, &["failed", "error", "errors"]) + number(line, &["timed"]),
        )
    };
    let cargo: Vec<&str> = output.lines().filter(|line| line.starts_with("test result:")).collect();
    if !cargo.is_empty() {
        let sums = cargo.iter().map(|line| read(line));
        return sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    }
    let summary = |line: &&str| {
        (line.contains(" passed") || line.contains(" failed") || line.contains(" error"))
            && (line.contains("Summary") || line.contains(" in "))
    };
    output.lines().rfind(summary).map_or((0, 0), |line| {
        read(line.rsplit_once("] ").map_or(line, |(_, rest)| rest))
    })
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn each_summary_is_read() {
        assert_eq!(
            counts("     Summary [  12.3s] 24 tests run: 23 passed (1 slow), 1 failed, 2 skipped\n"),
            (23, 1)
        );
        assert_eq!(
            counts("=== 2 failed, 30 passed, 1 skipped, 1 error in 12.34s ===\n"),
            (30, 3)
        );
        assert_eq!(counts("30 passed in 12.34s\n"), (30, 0));
        assert_eq!(
            counts("test result: ok. 5 passed; 0 failed; 0 ignored\ntest result: FAILED. 1 passed; 2 failed;\n"),
            (6, 2)
        );
        assert_eq!(counts("error: could not compile\n"), (0, 0));
    }
}
