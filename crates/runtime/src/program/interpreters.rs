use super::Bootstraps;
use crate::RuntimeError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A language with an embedded bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    Python,
    Node,
}

impl Language {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
        }
    }

    /// The number that runtime names carry: Python's minor, Node's major.
    fn of_version(self, version: &str) -> Option<u32> {
        let mut parts = version.split('.');
        let major = parts.next()?.parse().ok()?;
        match self {
            Self::Node => Some(major),
            Self::Python => (major == 3).then(|| parts.next()?.parse().ok())?,
        }
    }

    fn advice(self, wanted: u32) -> String {
        match self {
            Self::Python => format!(
                "install Python 3.{wanted} (Debian: `apt install python3`; any version: `pyenv install 3.{wanted}`)"
            ),
            Self::Node => {
                format!("install Node.js {wanted} (Debian: `apt install nodejs`; any version: `nvm install {wanted}`)")
            }
        }
    }
}

/// An interpreter that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub(crate) language: Language,
    /// The program itself, links resolved.
    pub(crate) binary: PathBuf,
    /// Such as `3.12.1`.
    pub(crate) version: String,
    /// Python's minor or Node's major.
    pub(crate) number: u32,
    /// Whether it is the version that was asked for.
    pub(crate) exact: bool,
}

impl Interpreter {
    /// The prefix to mount when it is not part of the system that every sandbox sees.
    pub(crate) fn foreign_prefix(&self) -> Option<&Path> {
        let bin = self.binary.parent()?;
        let system = ["/usr", "/bin", "/lib"].iter().any(|dir| bin.starts_with(dir));
        if system { None } else { bin.parent() }
    }

    /// The program as a sandbox sees it: a foreign prefix is mounted at `/var/lang`, where AWS has its interpreters.
    pub(crate) fn inside(&self) -> PathBuf {
        match self
            .foreign_prefix()
            .and_then(|prefix| self.binary.strip_prefix(prefix).ok())
        {
            Some(relative) => Path::new("/var/lang").join(relative),
            None => self.binary.clone(),
        }
    }
}

/// What this machine has; looked up once for each version asked for.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    found: Mutex<HashMap<(Language, u32), Interpreter>>,
}

impl Interpreters {
    /// The exact version, wherever it is; else the nearest one. A miss is not remembered: somebody may install it.
    pub(crate) fn find(
        &self,
        language: Language,
        wanted: u32,
        bootstraps: &Bootstraps,
    ) -> Result<Interpreter, RuntimeError> {
        if let Some(known) = self.known(language, wanted) {
            return Ok(known);
        }
        let found = self.look_up(language, wanted)?;
        if language == Language::Python {
            compile_ahead(&found, bootstraps);
        }
        Ok(self.remember(wanted, found))
    }

    /// The same for an HTTP-server app, which brings its own start.
    pub(crate) fn find_any(&self, language: Language, wanted: u32) -> Result<Interpreter, RuntimeError> {
        match self.known(language, wanted) {
            Some(known) => Ok(known),
            None => self.look_up(language, wanted),
        }
    }

    fn known(&self, language: Language, wanted: u32) -> Option<Interpreter> {
        let found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        found
            .get(&(language, wanted))
            .filter(|known| known.binary.exists())
            .cloned()
    }

    fn remember(&self, wanted: u32, interpreter: Interpreter) -> Interpreter {
        let mut found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.insert((interpreter.language, wanted), interpreter.clone());
        interpreter
    }

    fn look_up(&self, language: Language, wanted: u32) -> Result<Interpreter, RuntimeError> {
        let mut candidates = candidates(language);
        // Exact first, then near, then newer, then the system's own: the sort is stable and the system comes first.
        candidates.sort_by_key(|c| (c.number.abs_diff(wanted), std::cmp::Reverse(c.number)));
        for candidate in candidates {
            if let Some(version) = true_version(&candidate) {
                let exact = candidate.number == wanted;
                return Ok(Interpreter {
                    exact,
                    version,
                    ..candidate
                });
            }
        }
        let runtime = match language {
            Language::Python => format!("python3.{wanted}"),
            Language::Node => format!("nodejs{wanted}.x"),
        };
        Err(RuntimeError::Unsupported {
            runtime,
            advice: language.advice(wanted),
        })
    }
}

/// Every interpreter in the usual places. The number is what the file or folder is named after, or what it says.
fn candidates(language: Language) -> Vec<Interpreter> {
    let mut all: Vec<Interpreter> = Vec::new();
    for dir in places(language) {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let named = match language {
                Language::Python => name
                    .strip_prefix("python")
                    .and_then(|version| language.of_version(version)),
                Language::Node if name == "node" => node_number(&dir),
                Language::Node => None,
            };
            let Some(number) = named else { continue };
            let Ok(binary) = entry.path().canonicalize() else {
                continue;
            };
            if is_program(&binary) && all.iter().all(|known| known.binary != binary) {
                all.push(Interpreter {
                    language,
                    binary,
                    version: String::new(),
                    number,
                    exact: false,
                });
            }
        }
    }
    all
}

/// Folders of programs: the system's, those of PATH, and those of version managers under home folders.
fn places(language: Language) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = vec!["/usr/bin".into(), "/usr/local/bin".into()];
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let mut homes: Vec<PathBuf> = std::env::var_os("HOME").map(PathBuf::from).into_iter().collect();
    homes.push("/root".into());
    homes.extend(children(Path::new("/home")));
    let stores: &[&str] = match language {
        Language::Python => &[
            ".pyenv/versions",
            ".local/share/uv/python",
            ".local/share/mise/installs/python",
            ".asdf/installs/python",
        ],
        Language::Node => &[
            ".nvm/versions/node",
            ".local/share/mise/installs/node",
            ".asdf/installs/nodejs",
            ".volta/tools/image/node",
        ],
    };
    for home in homes {
        places.extend(
            stores
                .iter()
                .flat_map(|store| children(&home.join(store)))
                .map(|version| version.join("bin")),
        );
    }
    places.extend(children(Path::new("/opt")).into_iter().map(|dir| dir.join("bin")));
    places
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    all.sort();
    all
}

/// A version manager's folder names the version; otherwise the program says it.
fn node_number(bin: &Path) -> Option<u32> {
    let folder = bin.parent()?.file_name()?.to_str()?;
    let named = folder.strip_prefix('v').unwrap_or(folder);
    Language::Node
        .of_version(named)
        .or_else(|| Language::Node.of_version(&says(&bin.join("node"))?))
}

/// Not a shim script: an ELF file.
fn is_program(path: &Path) -> bool {
    use std::io::Read as _;
    let mut magic = [0_u8; 4];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}

/// What `--version` prints, without the name; `None` when it does not start.
fn says(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().trim_start_matches("Python ").trim_start_matches('v');
    (output.status.success() && !version.is_empty()).then(|| version.to_owned())
}

fn true_version(candidate: &Interpreter) -> Option<String> {
    let version = says(&candidate.binary)?;
    (candidate.language.of_version(&version) == Some(candidate.number)).then_some(version)
}

/// Compiles the bootstrap's modules for this interpreter, so that no environment does it again; they are mounted
/// read-only and could not keep the result. Without it the start is slower, nothing else.
fn compile_ahead(python: &Interpreter, bootstraps: &Bootstraps) {
    const SCRIPT: &str = "import py_compile, sys\n\
        for f in sys.argv[1:]: py_compile.compile(f, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)";
    let run = Command::new(&python.binary)
        .args(["-I", "-c", SCRIPT])
        .args(bootstraps.python_modules())
        .env_clear()
        .output();
    if !run.is_ok_and(|output| output.status.success()) {
        tracing::warn!(python = %python.binary.display(), "the bootstrap could not be compiled ahead");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_runtime_names_count_them() {
        assert_eq!(Language::Python.of_version("3.12"), Some(12));
        assert_eq!(Language::Python.of_version("3.12.1"), Some(12));
        assert_eq!(Language::Python.of_version("3.12-config"), None);
        assert_eq!(Language::Python.of_version("2.7"), None);
        assert_eq!(Language::Node.of_version("20.20.2"), Some(20));
    }

    #[test]
    fn a_foreign_prefix_is_seen_at_var_lang() {
        let at = |binary: &str| Interpreter {
            language: Language::Python,
            binary: binary.into(),
            version: "3.12.1".into(),
            number: 12,
            exact: true,
        };
        let pyenv = at("/root/.pyenv/versions/3.12.1/bin/python3.12");
        assert_eq!(pyenv.foreign_prefix(), Some(Path::new("/root/.pyenv/versions/3.12.1")));
        assert_eq!(pyenv.inside(), Path::new("/var/lang/bin/python3.12"));
        assert_eq!(at("/usr/bin/python3.12").foreign_prefix(), None);
        assert_eq!(
            at("/usr/local/bin/python3.12").inside(),
            Path::new("/usr/local/bin/python3.12")
        );
    }
}
