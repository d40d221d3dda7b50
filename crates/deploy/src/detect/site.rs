//! Static sites: a folder with an index.html.

use super::{Found, PLAIN_RUNTIME};
use crate::plan::{Build, Kind, Serving};
use crate::{Config, DeployError};
use std::path::{Component, Path};

/// Where an index.html is looked for, in this order. Built output comes before the root: a root index.html of a bundler
/// is its input.
const FOLDERS: [&str; 9] = ["dist", "build", "out", "_site", "public", "site", "www", "htdocs", "."];

pub(super) fn found(folder: &Path) -> Option<Found> {
    let dir = FOLDERS
        .into_iter()
        .find(|dir| folder.join(dir).join("index.html").is_file())?;
    let seen = if dir == "." {
        "index.html".to_owned()
    } else {
        format!("{dir}/index.html")
    };
    Some(site(dir, vec![format!("there is {seen}")], Build::Nothing))
}

pub(super) fn configured(
    folder: &Path,
    dir: &str,
    because: Vec<String>,
    config: &Config,
) -> Result<Found, DeployError> {
    let inside = Path::new(dir)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let built = config.build.is_some();
    if !inside || (!built && !folder.join(dir).is_dir()) {
        return Err(DeployError::Unclear {
            problem: format!(
                "`static` names {dir:?}, which is not a folder inside {}",
                folder.display()
            ),
            advice: "give a folder relative to the configuration file; when a build makes it, give `build` too".into(),
        });
    }
    let build = if built && folder.join("package.json").is_file() {
        Build::Npm { script: None }
    } else {
        Build::Nothing
    };
    Ok(site(dir.trim_start_matches("./").trim_end_matches('/'), because, build))
}

pub(super) fn site(dir: &str, because: Vec<String>, build: Build) -> Found {
    Found {
        kind: Kind::Static,
        because,
        runtime: PLAIN_RUNTIME.into(),
        serving: Serving::Static {
            folder: if dir.is_empty() { ".".into() } else { dir.into() },
        },
        build,
        warnings: Vec::new(),
    }
}
