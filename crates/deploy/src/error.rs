use std::io;
use std::path::{Path, PathBuf};

/// Why a folder could not be understood or packaged. `Display` says what failed and why; [`DeployError::advice`] says
/// what to do next, [`DeployError::output`] what a tool printed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// Such as `read`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration is not what the schema says.
    #[error("{}: {problem}", .file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// The key and what is wrong with it.
        problem: String,
        /// What to write instead.
        advice: String,
    },
    /// Nothing in the folder says how to run it.
    #[error("cannot tell what {} is: {looked_for}", .folder.display())]
    Unknown {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        looked_for: String,
    },
    /// The folder says what it is, but something needed is missing or could be read in two ways.
    #[error("{problem}")]
    Unclear {
        /// What.
        problem: String,
        /// The way out.
        advice: String,
    },
    /// A program that the build needs is not installed.
    #[error("{tool} is needed to {purpose}, and is not on the PATH")]
    MissingTool {
        /// Its name.
        tool: &'static str,
        /// What for.
        purpose: String,
        /// How to get it.
        advice: String,
    },
    /// A build step failed.
    #[error("`{command}` {outcome}")]
    Step {
        /// The command line.
        command: String,
        /// `ended with exit code 1`, `did not end within 600 s`.
        outcome: String,
        /// The end of what it printed.
        output: String,
        /// What may help.
        advice: String,
    },
    /// The package breaks a bound.
    #[error("{problem}")]
    TooLarge {
        /// Which bound, by how much.
        problem: String,
        /// The way out.
        advice: String,
    },
    /// The archive could not be written.
    #[error("cannot write the package: {0}")]
    Archive(#[from] zip::result::ZipError),
}

impl DeployError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What to do next.
    pub fn advice(&self) -> String {
        match self {
            Self::Io { .. } => "check that the path exists and that you may read and write it".into(),
            Self::Unknown { .. } => "say it in danbi.toml: `danbi init` writes one with every key explained; for any HTTP server `command = \"…\"` is enough".into(),
            Self::Config { advice, .. }
            | Self::Unclear { advice, .. }
            | Self::MissingTool { advice, .. }
            | Self::Step { advice, .. }
            | Self::TooLarge { advice, .. } => advice.clone(),
            Self::Archive(_) => "check the free space of the temporary folder".into(),
        }
    }

    /// The end of what a failed build step printed; empty for other errors.
    pub fn output(&self) -> &str {
        match self {
            Self::Step { output, .. } => output,
            _ => "",
        }
    }
}
