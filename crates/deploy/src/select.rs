//! Walks the folder and decides, file by file, what goes into the package.

use crate::rules::{self, Reason};
use crate::{Config, DeployError};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs;
use std::path::{Path, PathBuf};

/// Most files that a package may hold.
const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 64;
const IGNORE_FILES: [&str; 2] = [".gitignore", ".danbiignore"];

/// A file or link that goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Where its bytes are.
    pub source: PathBuf,
    /// Bytes.
    pub size: u64,
}

/// A file or folder that stays out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Relative to the folder; a folder ends in `/`.
    pub path: String,
    /// Why.
    pub reason: Reason,
}

/// What a folder gives to a package, both lists sorted by path.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Goes in.
    pub files: Vec<Selected>,
    /// Stays out.
    pub left_out: Vec<LeftOut>,
}

/// Decides about every file below `folder`. The first rule that speaks wins: `include`, then what is never code, then
/// secrets, then `exclude`, then the ignore files, the deepest first.
///
/// # Errors
/// When a folder cannot be read, a pattern is malformed, or there are more than 100,000 files.
pub fn select(folder: &Path, config: &Config) -> Result<Selection, DeployError> {
    walk(folder, config, Some(inherited_ignores(folder)?))
}

/// As [`select`], for a folder in which a build has run: ignore files, which usually name its results, say nothing.
pub(crate) fn select_built(folder: &Path, config: &Config) -> Result<Selection, DeployError> {
    walk(folder, config, None)
}

fn walk(folder: &Path, config: &Config, inherited: Option<Vec<Gitignore>>) -> Result<Selection, DeployError> {
    let mut walk = Walk {
        root: folder,
        include: patterns(folder, &config.include)?,
        include_patterns: &config.include,
        exclude: patterns(folder, &config.exclude)?,
        asks_ignore_files: inherited.is_some(),
        ignores: inherited.unwrap_or_default(),
        selection: Selection::default(),
    };
    walk.descend(folder, 0, None)?;
    let mut selection = walk.selection;
    selection.files.sort_by(|a, b| a.path.cmp(&b.path));
    selection.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(selection)
}

struct Walk<'a> {
    root: &'a Path,
    include: Gitignore,
    include_patterns: &'a [String],
    exclude: Gitignore,
    asks_ignore_files: bool,
    /// From the repository's root down to the folder at hand.
    ignores: Vec<Gitignore>,
    selection: Selection,
}

impl Walk<'_> {
    /// `under` is why the folder itself stays out, when it is entered only for what `include` names in it.
    fn descend(&mut self, folder: &Path, depth: usize, under: Option<&Reason>) -> Result<(), DeployError> {
        if depth > MAX_DEPTH {
            return Err(DeployError::TooLarge {
                problem: format!("{} is more than {MAX_DEPTH} folders deep", folder.display()),
                advice: "leave it out with `exclude`".into(),
            });
        }
        let inherited = self.ignores.len();
        if self.asks_ignore_files {
            self.ignores.extend(ignores_of(folder)?);
        }
        let read = DeployError::io("read", folder);
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(read)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(DeployError::io("read", &path))?;
            let relative = relative(self.root, &path);
            match self.verdict(&path, kind, under) {
                Some(reason) => {
                    // A folder that `include` reaches into has to be entered all the same.
                    if kind.is_dir() && self.may_include_below(&relative) {
                        self.descend(&path, depth + 1, Some(&reason))?;
                        continue;
                    }
                    let path = if kind.is_dir() {
                        format!("{relative}/")
                    } else {
                        relative
                    };
                    self.selection.left_out.push(LeftOut { path, reason });
                }
                None if kind.is_dir() => self.descend(&path, depth + 1, None)?,
                None => {
                    let metadata = fs::symlink_metadata(&path).map_err(DeployError::io("read", &path))?;
                    self.selection.files.push(Selected {
                        path: relative,
                        source: path,
                        size: metadata.len(),
                    });
                    if self.selection.files.len() > MAX_FILES {
                        return Err(DeployError::TooLarge {
                            problem: format!("{} holds more than {MAX_FILES} files", self.root.display()),
                            advice: "leave folders out with `exclude`, or deploy from a smaller folder".into(),
                        });
                    }
                }
            }
        }
        self.ignores.truncate(inherited);
        Ok(())
    }

    fn verdict(&self, path: &Path, kind: fs::FileType, under: Option<&Reason>) -> Option<Reason> {
        let is_dir = kind.is_dir();
        if self.include.matched_path_or_any_parents(path, is_dir).is_ignore() {
            return self.unfit(path, kind);
        }
        if let Some(reason) = under {
            return Some(reason.clone());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(reason) = if is_dir {
            rules::folder(&name, path)
        } else {
            rules::file(&name)
        } {
            return Some(reason);
        }
        if let Match::Ignore(glob) = self.exclude.matched(path, is_dir) {
            return Some(Reason::Excluded(glob.original().to_owned()));
        }
        for ignore in self.ignores.iter().rev() {
            match ignore.matched(path, is_dir) {
                Match::Ignore(glob) => {
                    let file = glob
                        .from()
                        .and_then(Path::file_name)
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    return Some(Reason::Ignored {
                        file,
                        pattern: glob.original().to_owned(),
                    });
                }
                Match::Whitelist(_) => break,
                Match::None => {}
            }
        }
        self.unfit(path, kind)
    }

    fn unfit(&self, path: &Path, kind: fs::FileType) -> Option<Reason> {
        if kind.is_symlink() {
            let inside = path.canonicalize().is_ok_and(|target| target.starts_with(self.root));
            let target = fs::read_link(path).unwrap_or_default();
            return (!inside || target.is_absolute()).then(|| Reason::Link(target.display().to_string()));
        }
        (!kind.is_dir() && !kind.is_file()).then_some(Reason::Special)
    }

    /// Whether a pattern of `include` names something below this folder.
    fn may_include_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        self.include_patterns
            .iter()
            .any(|pattern| pattern.trim_start_matches('/').starts_with(&below))
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

fn patterns(folder: &Path, patterns: &[String]) -> Result<Gitignore, DeployError> {
    let mut builder = GitignoreBuilder::new(folder);
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .map_err(|error| malformed(pattern, &error))?;
    }
    builder.build().map_err(|error| malformed(&patterns.join(", "), &error))
}

fn malformed(pattern: &str, error: &ignore::Error) -> DeployError {
    DeployError::Unclear {
        problem: format!("the pattern {pattern:?} is malformed: {error}"),
        advice: "patterns are written as in .gitignore".into(),
    }
}

/// The ignore files of `folder` itself.
fn ignores_of(folder: &Path) -> Result<Vec<Gitignore>, DeployError> {
    let mut found = Vec::new();
    for file in IGNORE_FILES
        .iter()
        .map(|name| folder.join(name))
        .filter(|file| file.is_file())
    {
        let mut builder = GitignoreBuilder::new(folder);
        if let Some(error) = builder.add(&file) {
            return Err(malformed(&file.display().to_string(), &error));
        }
        found.push(
            builder
                .build()
                .map_err(|error| malformed(&file.display().to_string(), &error))?,
        );
    }
    Ok(found)
}

/// The ignore files between the repository's root and `folder`, without the folder's own.
fn inherited_ignores(folder: &Path) -> Result<Vec<Gitignore>, DeployError> {
    let Some(root) = folder.ancestors().find(|ancestor| ancestor.join(".git").exists()) else {
        return Ok(Vec::new());
    };
    let mut between: Vec<&Path> = folder
        .ancestors()
        .skip(1)
        .take_while(|ancestor| ancestor.starts_with(root))
        .collect();
    between.reverse();
    let mut found = Vec::new();
    for ancestor in between {
        found.extend(ignores_of(ancestor)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.files.iter().map(|file| file.path.as_str()).collect()
    }

    fn reason(selection: &Selection, path: &str) -> String {
        selection
            .left_out
            .iter()
            .find(|out| out.path == path)
            .map(|out| out.reason.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn each_file_left_out_has_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for path in [
            "app.py",
            ".env",
            "lib/a.py",
            "lib/a.log",
            "keep/b.log",
            "venv/pyvenv.cfg",
            "node_modules/x/i.js",
            "notes.txt",
        ] {
            write(&root, path, "x");
        }
        write(&root, ".gitignore", "*.log\n");
        write(&root, "keep/.gitignore", "!b.log\n");
        std::os::unix::fs::symlink("/etc/passwd", root.join("out")).unwrap();
        std::os::unix::fs::symlink("app.py", root.join("in")).unwrap();
        let config = Config {
            exclude: vec!["notes.txt".into()],
            ..Config::default()
        };
        let selection = select(&root, &config).unwrap();
        assert_eq!(names(&selection), ["app.py", "in", "keep/b.log", "lib/a.py"]);
        assert_eq!(reason(&selection, "lib/a.log"), "*.log in .gitignore");
        assert_eq!(reason(&selection, "notes.txt"), "notes.txt in exclude");
        assert!(reason(&selection, ".env").contains("secret"));
        assert!(reason(&selection, "venv/").contains("virtual environment"));
        assert!(reason(&selection, "out").contains("/etc/passwd"));
    }

    #[test]
    fn include_overrides_every_rule() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for path in [".env", "ca.pem", "dist/site/index.html", "dist/junk"] {
            write(&root, path, "x");
        }
        write(&root, ".gitignore", "dist\n");
        let config = Config {
            include: vec!["ca.pem".into(), "/dist/site/".into()],
            ..Config::default()
        };
        assert_eq!(
            names(&select(&root, &config).unwrap()),
            ["ca.pem", "dist/site/index.html"]
        );
    }

    #[test]
    fn the_ignore_file_of_the_repository_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        write(&root, ".gitignore", "*.tmp\n");
        write(&root, "apps/one/a.tmp", "x");
        write(&root, "apps/one/a.py", "x");
        assert_eq!(
            names(&select(&root.join("apps/one"), &Config::default()).unwrap()),
            ["a.py"]
        );
    }
}
