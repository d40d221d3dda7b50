//! pip: into a folder of its own, compiled ahead of time, because `/var/task` is read-only and an uncompiled import is
//! paid for by every cold start.

use crate::plan::Plan;
use crate::run::{self, BUILD_TIME_OUT};
use crate::select::Selected;
use crate::toolchain::{self, Python};
use crate::{Config, DeployError, Progress};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ADVICE: &str = "run the same command to see more; a package that has to be compiled needs `apt install build-essential python3-dev`";
const NO_PIP: &str = "install pip: `apt install python3-pip` on Debian";

/// Installs what the app needs; gives the files. The same requirements are not installed twice.
pub(super) fn install(
    plan: &Plan,
    config: &Config,
    requirements: &[String],
    added: &[String],
    cache: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Selected>, DeployError> {
    let python = toolchain::need_python(config, "install the app's requirements")?;
    let site = cache.join(format!("site-{}", &key(plan, &python, requirements, added)[..16]));
    if !site.is_dir() {
        remove_old(cache);
        let partial = cache.join("site.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(DeployError::io("remove", &partial))?;
        }
        pip(plan, &python, requirements, added, &partial, progress)?;
        compile(&python, &partial, progress)?;
        fs::rename(&partial, &site).map_err(DeployError::io("rename", &partial))?;
    }
    // Scripts begin with the path of the interpreter that installed them, which means nothing elsewhere.
    super::files_below(&site, &|path| path == "bin")
}

fn pip(
    plan: &Plan,
    python: &Python,
    requirements: &[String],
    added: &[String],
    target: &Path,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    run::run(
        Command::new(&python.program).args(["-m", "pip", "--version"]),
        run::QUESTION_TIME_OUT,
        NO_PIP,
    )?;
    let what = match requirements.first().map(String::as_str) {
        Some("-r") => "requirements.txt".to_owned(),
        _ => format!("{} requirements", requirements.len()),
    };
    let with = if added.is_empty() {
        String::new()
    } else {
        format!(" and {}", added.join(", "))
    };
    progress.step(&format!("installing {what}{with} (pip)"));
    let mut command = Command::new(&python.program);
    command.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--no-compile",
    ]);
    command
        .args(["--root-user-action=ignore", "--no-warn-conflicts", "--target"])
        .arg(target);
    command.args(requirements).args(added).current_dir(&plan.folder);
    run::run(&mut command, BUILD_TIME_OUT, ADVICE).map(drop)
}

/// `unchecked-hash`: the package's files have no times of their own to compare with. A file that does not compile (a
/// template, a Python 2 relic) is left as it is, so the exit code says nothing.
fn compile(python: &Python, site: &Path, progress: &dyn Progress) -> Result<(), DeployError> {
    progress.step("compiling Python packages");
    let mut command = Command::new(&python.program);
    command.args([
        "-m",
        "compileall",
        "-q",
        "-q",
        "-j",
        "0",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
    ]);
    command.arg(site).args(["-p", "/var/task"]).arg(site);
    match run::run(&mut command, BUILD_TIME_OUT, "") {
        Err(error @ DeployError::Step { .. }) if error.to_string().contains("did not end") => Err(error),
        _ => Ok(()),
    }
}

fn remove_old(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("site-") {
            // What cannot be removed now is only disk space.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Changes whenever the same install could give something else.
fn key(plan: &Plan, python: &Python, requirements: &[String], added: &[String]) -> String {
    let mut parts: Vec<Vec<u8>> = vec![python.version.clone().into_bytes()];
    parts.extend(requirements.iter().chain(added).map(|word| word.clone().into_bytes()));
    let mut files: Vec<PathBuf> = fs::read_dir(&plan.folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "pyproject.toml"
            || name == "setup.py"
            || name == "setup.cfg"
            || (name.ends_with(".txt") && (name.contains("requirements") || name.contains("constraints")))
        {
            parts.push(fs::read(&file).unwrap_or_default());
        }
    }
    super::fingerprint(parts.iter().map(Vec::as_slice))
}
