//! A copy of the app's files in which installs and builds may write.

use crate::select::{self, Selected, Selection};
use crate::{Config, DeployError};
use std::fs;
use std::path::{Path, PathBuf};

/// Needed to install, never to run: copied into the stage, kept out of the package by the rules.
const INSTALL_ONLY: [&str; 2] = [".npmrc", ".yarnrc.yml"];

/// Makes the stage hold `files` and, from the time before, only `node_modules`.
pub(super) fn fill(cache: &Path, folder: &Path, files: &[Selected]) -> Result<PathBuf, DeployError> {
    let stage = cache.join("stage");
    fs::create_dir_all(&stage).map_err(DeployError::io("make", &stage))?;
    for entry in fs::read_dir(&stage).map_err(DeployError::io("read", &stage))?.flatten() {
        let path = entry.path();
        if entry.file_name() == "node_modules" {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(DeployError::io("remove", &path))?;
    }
    let extra = INSTALL_ONLY
        .iter()
        .map(|name| (folder.join(name), (*name).to_owned()))
        .filter(|(path, _)| path.is_file());
    let own = files.iter().map(|file| (file.source.clone(), file.path.clone()));
    for (source, path) in own.chain(extra) {
        let target = stage.join(&path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(DeployError::io("make", parent))?;
        }
        if source.is_symlink() {
            let link = fs::read_link(&source).map_err(DeployError::io("read", &source))?;
            // The stage was emptied, so only an extra file listed twice can be in the way; it is the same one.
            let _ = std::os::unix::fs::symlink(link, &target);
        } else {
            fs::copy(&source, &target).map_err(DeployError::io("copy", &source))?;
        }
    }
    Ok(stage)
}

/// What the stage holds after the build. Ignore files say nothing here: they were asked about the sources, and the
/// results of a build are what they usually name.
pub(super) fn collect(stage: &Path, config: &Config) -> Result<Selection, DeployError> {
    let mut selection = select::select_built(stage, config)?;
    selection
        .left_out
        .retain(|out| out.path != "node_modules/" && !INSTALL_ONLY.contains(&out.path.as_str()));
    let modules = stage.join("node_modules");
    if modules.is_dir() {
        let skip = |path: &str| path == ".cache" || path == ".package-lock.json";
        let installed = super::files_below(&modules, &skip)?;
        selection.files.extend(installed.into_iter().map(|file| Selected {
            path: format!("node_modules/{}", file.path),
            ..file
        }));
    }
    selection.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(selection)
}
