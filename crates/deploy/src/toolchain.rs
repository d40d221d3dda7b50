//! The interpreters and compilers of this machine.

use crate::run::{self, QUESTION_TIME_OUT};
use crate::{Config, DeployError};
use std::path::PathBuf;
use std::process::Command;

/// A Python that can be run.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    /// Such as `3.11`.
    pub(crate) version: String,
}

/// The Lambda runtime when no interpreter is here to say which: the newest that AWS gives a long life.
const DEFAULT_PYTHON: &str = "python3.12";
const DEFAULT_NODE: &str = "nodejs20.x";

/// The Python that the app's runtime asks for, else the machine's default one.
pub(crate) fn python(config: &Config) -> Option<Python> {
    let wanted = config
        .runtime
        .as_deref()
        .filter(|runtime| runtime.starts_with("python3"));
    let candidates = wanted.into_iter().chain(["python3", "python"]);
    candidates.filter_map(run::find).find_map(|program| {
        let script = "import sys; assert sys.version_info[0] == 3; print('%d.%d' % sys.version_info[:2])";
        let printed = run::run(Command::new(&program).args(["-c", script]), QUESTION_TIME_OUT, "").ok()?;
        Some(Python {
            program,
            version: printed.trim().to_owned(),
        })
    })
}

/// As [`python`], or what to install.
pub(crate) fn need_python(config: &Config, purpose: &str) -> Result<Python, DeployError> {
    python(config).ok_or_else(|| DeployError::MissingTool {
        tool: "python3",
        purpose: purpose.to_owned(),
        advice: "install it: `apt install python3 python3-pip` on Debian".into(),
    })
}

/// The Lambda runtime for Python code.
pub(crate) fn python_runtime(config: &Config) -> String {
    if let Some(runtime) = &config.runtime {
        return runtime.clone();
    }
    python(config).map_or_else(
        || DEFAULT_PYTHON.to_owned(),
        |python| format!("python{}", python.version),
    )
}

/// The Lambda runtime for JavaScript.
pub(crate) fn node_runtime(config: &Config) -> String {
    if let Some(runtime) = &config.runtime {
        return runtime.clone();
    }
    let version =
        run::find("node").and_then(|node| run::run(Command::new(node).arg("--version"), QUESTION_TIME_OUT, "").ok());
    let major = version
        .as_deref()
        .and_then(|version| version.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    major.map_or_else(|| DEFAULT_NODE.to_owned(), |major| format!("nodejs{major}.x"))
}

/// Finds `tool`, or says what to install.
pub(crate) fn need(tool: &'static str, purpose: &str, advice: &str) -> Result<PathBuf, DeployError> {
    run::find(tool).ok_or_else(|| DeployError::MissingTool {
        tool,
        purpose: purpose.to_owned(),
        advice: advice.to_owned(),
    })
}
