//! What stays out of every package unless `include` names it, and why.

use std::path::Path;

/// Folders that are never the app's own code.
const FOLDERS: [(&str, &str); 26] = [
    (".git", "version control"),
    (".hg", "version control"),
    (".svn", "version control"),
    (".github", "continuous integration"),
    (".gitlab", "continuous integration"),
    (".ci", "continuous integration"),
    (".danbi", "danbi's own"),
    (".serverless", "another tool's build"),
    (".aws-sam", "another tool's build"),
    (".chalice", "another tool's build"),
    (".terraform", "another tool's state"),
    (".vercel", "another tool's build"),
    (".idea", "an editor's"),
    (".vscode", "an editor's"),
    ("__pycache__", "compiled anew"),
    (".pytest_cache", "a test cache"),
    (".mypy_cache", "a check cache"),
    (".ruff_cache", "a check cache"),
    (".hypothesis", "a test cache"),
    (".tox", "test environments"),
    (".nox", "test environments"),
    (".nyc_output", "test coverage"),
    ("htmlcov", "test coverage"),
    (".eggs", "a build cache"),
    (".npm", "a download cache"),
    ("node_modules", "installed anew for the package"),
];

/// Files that are never the app's own code.
const FILES: [(&str, &str); 13] = [
    (".DS_Store", "the desktop's"),
    ("Thumbs.db", "the desktop's"),
    (".gitignore", "version control"),
    (".gitattributes", "version control"),
    (".gitmodules", "version control"),
    (".dockerignore", "another tool's"),
    (".danbiignore", "danbi's own"),
    ("danbi.toml", "danbi's own"),
    ("danbi.yaml", "danbi's own"),
    ("danbi.yml", "danbi's own"),
    ("danbi.json", "danbi's own"),
    (".coverage", "test coverage"),
    (".eslintcache", "a check cache"),
];

/// Names of files that hold secrets; a package is readable to whoever may read the function.
const SECRET_FILES: [&str; 14] = [
    ".npmrc",
    ".yarnrc.yml",
    ".netrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "credentials.json",
];
const SECRET_FOLDERS: [&str; 4] = [".aws", ".ssh", ".gnupg", ".azure"];
const SECRET_ENDINGS: [&str; 6] = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore"];

/// Why a file or folder stays out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "rule", content = "detail", rename_all = "kebab-case")]
pub enum Reason {
    /// Never part of an app: what it is instead.
    NotCode(&'static str),
    /// It looks like a secret.
    Secret,
    /// The pattern of an ignore file.
    Ignored {
        /// The ignore file's name.
        file: String,
        /// The pattern.
        pattern: String,
    },
    /// A pattern of `exclude` in the configuration.
    Excluded(String),
    /// A symbolic link that leaves the folder, or leads nowhere.
    Link(String),
    /// Neither a file nor a folder nor a link.
    Special,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotCode(what) => f.write_str(what),
            Self::Secret => f.write_str("looks like a secret; set values by env, or name it in include"),
            Self::Ignored { file, pattern } => write!(f, "{pattern} in {file}"),
            Self::Excluded(pattern) => write!(f, "{pattern} in exclude"),
            Self::Link(target) => write!(f, "a link out of the folder, to {target}"),
            Self::Special => f.write_str("a socket, pipe or device"),
        }
    }
}

/// Whether a folder of this name stays out by itself.
pub(crate) fn folder(name: &str, path: &Path) -> Option<Reason> {
    if let Some((_, what)) = FOLDERS.iter().find(|(folder, _)| *folder == name) {
        return Some(Reason::NotCode(what));
    }
    if SECRET_FOLDERS.contains(&name) {
        return Some(Reason::Secret);
    }
    if path.join("pyvenv.cfg").is_file() {
        return Some(Reason::NotCode(
            "a virtual environment; dependencies are installed anew for the package",
        ));
    }
    // cargo marks its target folders, whatever their name is.
    if path.join("CACHEDIR.TAG").is_file() {
        return Some(Reason::NotCode("a cache"));
    }
    None
}

/// Whether a file of this name stays out by itself.
pub(crate) fn file(name: &str) -> Option<Reason> {
    if let Some((_, what)) = FILES.iter().find(|(file, _)| *file == name) {
        return Some(Reason::NotCode(what));
    }
    if name.ends_with(".pyc") || name.ends_with(".pyo") {
        return Some(Reason::NotCode("compiled anew"));
    }
    is_secret(name).then_some(Reason::Secret)
}

fn is_secret(name: &str) -> bool {
    let sample = [".example", ".sample", ".template", ".dist"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let environment = name == ".env" || name == ".envrc" || name.starts_with(".env.");
    (environment && !sample)
        || SECRET_FILES.contains(&name)
        || SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_and_their_samples_do_not() {
        for name in [".env", ".env.production", "id_rsa", "server.key", ".npmrc"] {
            assert_eq!(file(name), Some(Reason::Secret), "{name}");
        }
        for name in [".env.example", "app.py", "environment.py", "key.py"] {
            assert_eq!(file(name), None, "{name}");
        }
    }
}
