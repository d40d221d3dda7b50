//! npm: exactly what the lock file says, without development dependencies.

use super::Built;
use crate::rules::Reason;
use crate::run::{self, BUILD_TIME_OUT};
use crate::select::LeftOut;
use crate::{DeployError, Progress, toolchain};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSTALL_ADVICE: &str =
    "run `npm install` in the app's folder to see the same; native modules need `apt install build-essential python3`";
const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// What begins with this path is not needed to serve. Next.js alone would bring 150 MB, more than Lambda allows.
const BUILDERS: [(&str, &str); 2] = [
    (".next/cache/", "a build cache"),
    ("node_modules/@next/swc-", "a compiler, needed to build only"),
];
const FOREIGN_LOCKS: [(&str, &str); 3] = [("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm"), ("bun.lock", "bun")];

/// A stage whose `node_modules` is there.
pub(super) struct Npm {
    npm: PathBuf,
    stage: PathBuf,
    stamp: PathBuf,
    with_development: bool,
    pub(super) warnings: Vec<String>,
}

/// Installs into `stage`, unless it holds what the same manifest and lock file gave before.
pub(super) fn install(
    stage: &Path,
    cache: &Path,
    with_development: bool,
    progress: &dyn Progress,
) -> Result<Npm, DeployError> {
    let npm = toolchain::need(
        "npm",
        "install the packages of package.json",
        "install it: `apt install nodejs npm` on Debian",
    )?;
    let lock = LOCKS.iter().find(|lock| stage.join(lock).is_file());
    let mut warnings = Vec::new();
    if lock.is_none() {
        match FOREIGN_LOCKS.iter().find(|(file, _)| stage.join(file).is_file()) {
            Some((file, tool)) => warnings.push(format!(
                "{file} belongs to {tool}; npm resolves the versions of package.json anew"
            )),
            None => warnings.push(
                "there is no package-lock.json: versions are resolved anew by each first install; commit one".into(),
            ),
        }
    }
    let stamp = cache.join("npm.stamp");
    let installed = Npm {
        npm,
        stage: stage.to_owned(),
        stamp,
        with_development,
        warnings,
    };
    let key = installed.key();
    if stage.join("node_modules").is_dir() && fs::read_to_string(&installed.stamp).is_ok_and(|stamp| stamp == key) {
        return Ok(installed);
    }
    // Should this be cut short, the next deploy installs again.
    let _ = fs::remove_file(&installed.stamp);
    let verb = if lock.is_some() { "ci" } else { "install" };
    progress.step(&format!("installing packages (npm {verb})"));
    let omit = if with_development {
        "--include=dev"
    } else {
        "--omit=dev"
    };
    installed.npm(&[verb, omit], INSTALL_ADVICE)?;
    let modules = stage.join("node_modules");
    fs::create_dir_all(&modules).map_err(DeployError::io("make", &modules))?;
    fs::write(&installed.stamp, key).map_err(DeployError::io("write", &installed.stamp))?;
    Ok(installed)
}

/// Runs a script of package.json.
pub(super) fn run_script(stage: &Path, script: &str, progress: &dyn Progress) -> Result<(), DeployError> {
    progress.step(&format!("building (npm run {script})"));
    let npm = toolchain::need(
        "npm",
        "run the build script",
        "install it: `apt install nodejs npm` on Debian",
    )?;
    let mut command = Command::new(npm);
    command.args(["run", script]).current_dir(stage).env("CI", "true");
    run::run(
        &mut command,
        BUILD_TIME_OUT,
        &format!("`npm run {script}` in the app's folder should succeed first"),
    )
    .map(drop)
}

/// Takes out what built the app and is of no use to what serves it, where npm cannot know that.
pub(super) fn leave_out_builders(built: &mut Built) {
    let Built {
        own,
        installed,
        left_out,
        ..
    } = built;
    for (folder, what) in BUILDERS {
        let mut found = false;
        for files in [&mut *own, &mut *installed] {
            files.retain(|file| {
                let out = file.path.starts_with(folder);
                found |= out;
                !out
            });
        }
        if found {
            left_out.push(LeftOut {
                path: if folder.ends_with('/') {
                    folder.to_owned()
                } else {
                    format!("{folder}*/")
                },
                reason: Reason::NotCode(what),
            });
        }
    }
}

impl Npm {
    /// Takes development dependencies out again, when the build needed them.
    pub(super) fn prune(&self, progress: &dyn Progress) -> Result<(), DeployError> {
        if !self.with_development {
            return Ok(());
        }
        progress.step("taking development packages out (npm prune)");
        let _ = fs::remove_file(&self.stamp);
        self.npm(&["prune", "--omit=dev"], INSTALL_ADVICE)
    }

    fn npm(&self, arguments: &[&str], advice: &str) -> Result<(), DeployError> {
        let mut command = Command::new(&self.npm);
        command
            .args(arguments)
            .args(["--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&self.stage);
        // A test run or a CI may set this for its own purpose; which packages go in is decided by the arguments.
        command.env_remove("NODE_ENV").env_remove("npm_config_omit");
        run::run(&mut command, BUILD_TIME_OUT, advice).map(drop)
    }

    /// Changes whenever the same install could give something else.
    fn key(&self) -> String {
        let files = ["package.json", LOCKS[0], LOCKS[1], ".npmrc"]
            .map(|name| fs::read(self.stage.join(name)).unwrap_or_default());
        let mode: &[u8] = if self.with_development {
            b"with development"
        } else {
            b"without"
        };
        super::fingerprint(files.iter().map(Vec::as_slice).chain([mode]))
    }
}
