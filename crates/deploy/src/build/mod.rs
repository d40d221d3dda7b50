//! Brings dependencies and build results beside the app's own files, in a folder of the user's cache: the app's folder
//! itself is never written to (Rust and Go keep their own build folders as their tools decide).

mod native;
mod node;
mod python;
mod stage;

use crate::plan::{Build, Plan, Serving};
use crate::rules::Reason;
use crate::run::{self, BUILD_TIME_OUT};
use crate::select::{LeftOut, Selected, Selection};
use crate::{Config, DeployError, Progress};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the package, from wherever it is.
pub(crate) struct Built {
    /// The app's own files and what its build made.
    pub(crate) own: Vec<Selected>,
    /// What was installed; own files of the same path win.
    pub(crate) installed: Vec<Selected>,
    /// What stays out, the selection's own included.
    pub(crate) left_out: Vec<LeftOut>,
    /// Things worth knowing.
    pub(crate) warnings: Vec<String>,
    /// Held until the package is written: two deploys of one folder take turns.
    pub(crate) _turn: Option<File>,
}

/// Does what `plan.build` and the configuration's `build` say.
pub(crate) fn build(
    plan: &Plan,
    config: &Config,
    selection: Selection,
    progress: &dyn Progress,
) -> Result<Built, DeployError> {
    let Selection { files, left_out } = selection;
    let mut built = Built {
        own: files,
        installed: Vec::new(),
        left_out,
        warnings: Vec::new(),
        _turn: None,
    };
    let staged = config.build.is_some() || matches!(plan.build, Build::Npm { .. });
    if !staged && plan.build == Build::Nothing {
        if let Serving::Static { folder } = &plan.serving {
            leave_out_unserved(&mut built, folder);
        }
        return Ok(built);
    }
    let cache = cache_folder(&plan.folder)?;
    built._turn = Some(take_turn(&cache)?);
    if staged {
        let stage = stage::fill(&cache, &plan.folder, &built.own)?;
        let npm = match &plan.build {
            Build::Npm { script } => Some(node::install(
                &stage,
                &cache,
                script.is_some() || config.build.is_some(),
                progress,
            )?),
            _ => None,
        };
        if let Some(Build::Npm { script: Some(script) }) = config.build.is_none().then_some(&plan.build) {
            node::run_script(&stage, script, progress)?;
        }
        if let Some(command) = &config.build {
            run_command(&stage, command, progress)?;
        }
        if let Some(npm) = npm {
            npm.prune(progress)?;
            built.warnings.extend(npm.warnings);
        }
        let found = stage::collect(&stage, config)?;
        built.left_out.extend(found.left_out);
        (built.installed, built.own) = found
            .files
            .into_iter()
            .partition(|file| file.path.starts_with("node_modules/"));
        node::leave_out_builders(&mut built);
    }
    if let Serving::Static { folder } = &plan.serving {
        leave_out_unserved(&mut built, folder);
    }
    match &plan.build {
        Build::Pip { requirements, added } => {
            built.installed = python::install(plan, config, requirements, added, &cache, progress)?;
        }
        Build::Cargo { binary, target } => native::cargo(plan, &mut built, binary, target, progress)?,
        Build::Go { target } => native::go(plan, &mut built, target, &cache, progress)?,
        Build::Nothing | Build::Npm { .. } => {}
    }
    Ok(built)
}

/// Keeps to what a site shows: the sources that it was built from are nobody's to read, and only make the package large.
fn leave_out_unserved(built: &mut Built, folder: &str) {
    if folder == "." {
        return;
    }
    let shown = format!("{folder}/");
    let mut outside = BTreeSet::new();
    for files in [&mut built.own, &mut built.installed] {
        files.retain(|file| {
            let kept = file.path.starts_with(&shown);
            if !kept {
                let top = file.path.split_once('/').map(|(top, _)| format!("{top}/"));
                outside.insert(top.unwrap_or_else(|| file.path.clone()));
            }
            kept
        });
    }
    let reason = || Reason::NotCode("not in the folder that is served");
    built
        .left_out
        .extend(outside.into_iter().map(|path| LeftOut { path, reason: reason() }));
}

fn run_command(stage: &Path, command: &str, progress: &dyn Progress) -> Result<(), DeployError> {
    progress.step(&format!("building: {command}"));
    let bin = stage.join("node_modules/.bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(bin).chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(stage);
    // A PATH that cannot be joined (a colon in a folder's name) leaves the user's own in place.
    if let Ok(path) = std::env::join_paths(paths) {
        shell.env("PATH", path);
    }
    run::run(
        &mut shell,
        BUILD_TIME_OUT,
        "the command is `build` of the configuration, and runs in a copy of the folder",
    )
    .map(drop)
}

/// A folder for what was built for this app: `$XDG_CACHE_HOME/danbi/builds/HASH`, else below `~/.cache`.
fn cache_folder(app: &Path) -> Result<PathBuf, DeployError> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    let folder = caches
        .join("danbi/builds")
        .join(&fingerprint([app.as_os_str().as_encoded_bytes()])[..16]);
    fs::create_dir_all(&folder).map_err(DeployError::io("make", &folder))?;
    Ok(folder)
}

fn take_turn(cache: &Path) -> Result<File, DeployError> {
    let path = cache.join("lock");
    let file = File::create(&path).map_err(DeployError::io("write", &path))?;
    file.lock().map_err(DeployError::io("lock", &path))?;
    Ok(file)
}

/// SHA-256 over parts, each with its length before it, in hexadecimal.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    danbi_core::hex::encode(hash.finalize())
}

/// Every file and link below `folder`, relative to it; folders for which `skip` says so are not entered.
fn files_below(folder: &Path, skip: &dyn Fn(&str) -> bool) -> Result<Vec<Selected>, DeployError> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_owned(), String::new())];
    while let Some((at, prefix)) = waiting.pop() {
        let entries = fs::read_dir(&at)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(DeployError::io("read", &at))?;
        for entry in entries {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if skip(&path) {
                continue;
            }
            let source = entry.path();
            let metadata = fs::symlink_metadata(&source).map_err(DeployError::io("read", &source))?;
            if metadata.is_dir() {
                waiting.push((source, format!("{path}/")));
            } else if metadata.is_file() || metadata.is_symlink() {
                found.push(Selected {
                    path,
                    source,
                    size: metadata.len(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(own: &[&str], installed: &[&str]) -> Built {
        let files = |paths: &[&str]| {
            let file = |path: &&str| Selected {
                path: (*path).to_owned(),
                source: PathBuf::from(path),
                size: 1,
            };
            paths.iter().map(file).collect()
        };
        Built {
            own: files(own),
            installed: files(installed),
            left_out: Vec::new(),
            warnings: Vec::new(),
            _turn: None,
        }
    }

    fn paths(files: &[Selected]) -> Vec<&str> {
        files.iter().map(|file| file.path.as_str()).collect()
    }

    fn left_out(built: &Built) -> Vec<&str> {
        built.left_out.iter().map(|out| out.path.as_str()).collect()
    }

    #[test]
    fn of_a_built_site_only_what_is_shown_goes_in() {
        let mut built = built(
            &[
                "dist/index.html",
                "dist/a.js",
                "distant.txt",
                "package.json",
                "src/a.jsx",
                "src/b.jsx",
            ],
            &["node_modules/react/index.js"],
        );
        leave_out_unserved(&mut built, "dist");
        assert_eq!(paths(&built.own), ["dist/index.html", "dist/a.js"]);
        assert_eq!(paths(&built.installed), [""; 0]);
        assert_eq!(
            left_out(&built),
            ["distant.txt", "node_modules/", "package.json", "src/"]
        );
    }

    #[test]
    fn a_site_that_is_its_folder_goes_in_whole() {
        let mut built = built(&["index.html", "css/a.css"], &[]);
        leave_out_unserved(&mut built, ".");
        assert_eq!(paths(&built.own), ["index.html", "css/a.css"]);
        assert!(built.left_out.is_empty());
    }

    #[test]
    fn what_only_builds_stays_out() {
        let mut built = built(
            &[".next/BUILD_ID", ".next/cache/webpack/0.pack", "package.json"],
            &[
                "node_modules/@next/env/index.js",
                "node_modules/@next/swc-linux-x64-gnu/next-swc.node",
                "node_modules/next/a.js",
            ],
        );
        node::leave_out_builders(&mut built);
        assert_eq!(paths(&built.own), [".next/BUILD_ID", "package.json"]);
        assert_eq!(
            paths(&built.installed),
            ["node_modules/@next/env/index.js", "node_modules/next/a.js"]
        );
        assert_eq!(left_out(&built), [".next/cache/", "node_modules/@next/swc-*/"]);
    }
}
