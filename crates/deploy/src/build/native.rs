//! cargo and go: the binary goes into the package, its sources stay out.

use super::Built;
use crate::plan::Plan;
use crate::rules::Reason;
use crate::run::{self, BUILD_TIME_OUT, QUESTION_TIME_OUT};
use crate::select::{LeftOut, Selected};
use crate::{DeployError, Progress, toolchain};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: Reason = Reason::NotCode("source of the binary");

pub(super) fn cargo(
    plan: &Plan,
    built: &mut Built,
    binary: &str,
    target: &str,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    let cargo = toolchain::need("cargo", "build the binary", "install Rust: https://rustup.rs")?;
    let folder = plan.folder.as_path();
    progress.step(&format!("compiling {binary} (cargo build --release)"));
    let advice = "run `cargo build --release` in the app's folder to see the same";
    run::run(
        Command::new(&cargo)
            .args(["build", "--release", "--bin", binary])
            .current_dir(folder),
        BUILD_TIME_OUT,
        advice,
    )?;
    let mut question = Command::new(&cargo);
    question
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(folder);
    let unknown = || DeployError::Unclear {
        problem: "cargo does not say where it puts what it builds".into(),
        advice: advice.into(),
    };
    let metadata: serde_json::Value =
        serde_json::from_str(&run::run(&mut question, QUESTION_TIME_OUT, advice)?).map_err(|_| unknown())?;
    let folder = metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(unknown)?;
    replace_sources(built, |path| {
        path.ends_with(".rs") || path == "Cargo.toml" || path == "Cargo.lock" || path == "rustfmt.toml"
    });
    add(built, &folder.join("release").join(binary), target)
}

pub(super) fn go(
    plan: &Plan,
    built: &mut Built,
    target: &str,
    cache: &Path,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    let go = toolchain::need(
        "go",
        "build the module",
        "install it: `apt install golang-go` on Debian, or https://go.dev/dl",
    )?;
    progress.step("compiling (go build)");
    let output = cache.join("go-binary");
    let mut command = Command::new(go);
    command
        .args(["build", "-trimpath", "-o"])
        .arg(&output)
        .arg(".")
        .current_dir(&plan.folder);
    run::run(
        &mut command,
        BUILD_TIME_OUT,
        "run `go build .` in the app's folder to see the same",
    )?;
    replace_sources(built, |path| {
        path.ends_with(".go") || path == "go.mod" || path == "go.sum" || path.starts_with("vendor/")
    });
    add(built, &output, target)
}

fn replace_sources(built: &mut Built, is_source: impl Fn(&str) -> bool) {
    let (sources, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut built.own)
        .into_iter()
        .partition(|file| is_source(&file.path));
    built.own = rest;
    built.left_out.extend(sources.into_iter().map(|file| LeftOut {
        path: file.path,
        reason: SOURCE,
    }));
}

fn add(built: &mut Built, binary: &Path, target: &str) -> Result<(), DeployError> {
    let size = fs::metadata(binary).map_err(DeployError::io("read", binary))?.len();
    built.own.retain(|file| file.path != target);
    built.own.push(Selected {
        path: target.to_owned(),
        source: binary.to_owned(),
        size,
    });
    Ok(())
}
