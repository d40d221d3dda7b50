//! From a plan to the bytes that are uploaded, with an account of everything that went in and stayed out.

use crate::imports::{self, MissingModule};
use crate::plan::{FunctionSettings, Plan, Serving};
use crate::rules::Reason;
use crate::select::{LeftOut, Selected};
use crate::{Config, DeployError, Progress, archive, build, select};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Default memory: enough for a framework and its dependencies to start without thrashing.
const DEFAULT_MEMORY: u32 = 512;
const DEFAULT_TIMEOUT: u32 = 30;
const DEFAULT_STORAGE: u32 = 512;
/// The handler of kinds that have none: Lambda wants a word.
const NO_HANDLER: &str = "danbi.http";

/// An app, ready to be uploaded.
#[derive(Debug, Clone)]
pub struct Package {
    /// The zip.
    pub archive: Vec<u8>,
    /// SHA-256 of `archive`.
    pub sha256: [u8; 32],
    /// What Lambda has to be told beside the code.
    pub settings: FunctionSettings,
    /// What went in, what stayed out.
    pub report: Report,
}

/// What went in, what stayed out, and what seems to be missing.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The app's own files, by first path segment, the largest first.
    pub own: Vec<Group>,
    /// What was installed, by package folder, the largest first.
    pub installed: Vec<Group>,
    /// Sorted by path.
    pub left_out: Vec<LeftOut>,
    /// Modules imported by the app and found nowhere.
    pub missing: Vec<MissingModule>,
    /// Bytes before compression.
    pub unpacked_bytes: u64,
    /// Bytes of the zip.
    pub packed_bytes: u64,
    /// Things worth knowing that stop nothing.
    pub warnings: Vec<String>,
}

/// Files that belong together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// A file, or a folder ending in `/`.
    pub path: String,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The most events that one environment takes at once, as the Lambda API has it.
const MAX_EVENTS: u32 = 256;

/// Builds the package of `plan`. Blocks, for minutes when dependencies have to be installed.
///
/// # Errors
/// When a build tool is missing or fails, when a file cannot be read, and when the package breaks a bound.
pub fn package(plan: &Plan, config: &Config, progress: &dyn Progress) -> Result<Package, DeployError> {
    let selection = select::select(&plan.folder, &for_plan(plan, config))?;
    let built = build::build(plan, config, selection, progress)?;
    progress.step("packing");
    let missing = imports::missing(plan, config, &built.own, &built.installed);
    let own = grouped(&built.own, |path| top(path, 1));
    let depth = |path: &str| {
        if path.starts_with("node_modules/@") {
            3
        } else if path.starts_with("node_modules/") {
            2
        } else {
            1
        }
    };
    let installed = grouped(&built.installed, |path| top(path, depth(path)));
    let mut files: BTreeMap<&str, &Selected> = built.installed.iter().map(|file| (file.path.as_str(), file)).collect();
    files.extend(built.own.iter().map(|file| (file.path.as_str(), file)));
    let files: Vec<Selected> = files.into_values().cloned().collect();
    check_serving(plan, &files)?;
    check_concurrency(plan, config)?;
    let archive = archive::write(&files)?;
    let mut warnings = plan.warnings.clone();
    warnings.extend(built.warnings);
    let report = Report {
        own,
        installed,
        left_out: built.left_out,
        missing,
        unpacked_bytes: files.iter().map(|file| file.size).sum(),
        packed_bytes: archive.len() as u64,
        warnings,
    };
    Ok(Package {
        sha256: Sha256::digest(&archive).into(),
        archive,
        settings: settings(plan, config),
        report,
    })
}

/// A folder that is served is wanted, even when an ignore file names it (as `dist` usually is).
fn for_plan(plan: &Plan, config: &Config) -> Config {
    let mut config = config.clone();
    if let Serving::Static { folder } = &plan.serving
        && folder != "."
        && config.build.is_none()
    {
        config.include.push(format!("/{folder}/"));
    }
    config
}

/// What can be seen to fail before it is uploaded.
fn check_serving(plan: &Plan, files: &[Selected]) -> Result<(), DeployError> {
    let has = |path: &str| files.iter().any(|file| file.path == path);
    match &plan.serving {
        Serving::Static { folder } => {
            let prefix = if folder == "." {
                String::new()
            } else {
                format!("{folder}/")
            };
            if files.iter().any(|file| file.path.starts_with(&prefix)) {
                return Ok(());
            }
            Err(DeployError::Unclear {
                problem: format!("the folder {folder} that is to be served has no file in the package"),
                advice: "check `static` and the result of the build".into(),
            })
        }
        Serving::Bootstrap if !has("bootstrap") => Err(DeployError::Unclear {
            problem: "the package has no bootstrap".into(),
            advice: "the executable must be named bootstrap and must not be left out".into(),
        }),
        Serving::Handler { handler } => check_handler(plan, handler, &has),
        Serving::Server { .. } | Serving::Bootstrap => Ok(()),
    }
}

/// What a handler may ask for is less than what a server may.
fn check_concurrency(plan: &Plan, config: &Config) -> Result<(), DeployError> {
    let events = config.concurrency.unwrap_or(1);
    match &plan.serving {
        Serving::Handler { .. } | Serving::Bootstrap if events > MAX_EVENTS => Err(DeployError::Unclear {
            problem: format!("`concurrency` is {events}, and one environment takes {MAX_EVENTS} events at most"),
            advice: format!("use {MAX_EVENTS}: more environments are started when there are more events"),
        }),
        _ => Ok(()),
    }
}

fn check_handler(plan: &Plan, handler: &str, has: &dyn Fn(&str) -> bool) -> Result<(), DeployError> {
    let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module);
    let path = module.replace('.', "/");
    let python = [format!("{path}.py"), format!("{path}/__init__.py")];
    let node = ["js", "mjs", "cjs"].map(|ending| format!("{module}.{ending}"));
    let found = python.iter().chain(&node).any(|path| has(path));
    // Other runtimes know other forms of handler.
    if found || !(plan.runtime.starts_with("python") || plan.runtime.starts_with("nodejs")) {
        return Ok(());
    }
    let candidates = if plan.runtime.starts_with("python") {
        python[0].clone()
    } else {
        node.join(", ")
    };
    Err(DeployError::Unclear {
        problem: format!("the handler {handler} needs {candidates}, which is not in the package"),
        advice: "correct `handler` (file.function), or see with --dry-run why the file stays out".into(),
    })
}

fn settings(plan: &Plan, config: &Config) -> FunctionSettings {
    let mut environment = config.env.clone();
    if let (Some(events), Serving::Handler { .. } | Serving::Bootstrap) = (config.concurrency, &plan.serving) {
        environment.insert("DANBI_CONCURRENCY".into(), events.to_string());
    }
    let handler = match &plan.serving {
        Serving::Handler { handler } => handler.clone(),
        Serving::Bootstrap => "bootstrap".into(),
        Serving::Static { folder } => {
            environment.insert("DANBI_STATIC_DIR".into(), folder.clone());
            NO_HANDLER.into()
        }
        Serving::Server { command, concurrency } => {
            environment.insert("DANBI_HTTP_COMMAND".into(), command.clone());
            environment.insert(
                "DANBI_HTTP_CONCURRENCY".into(),
                config.concurrency.unwrap_or(*concurrency).to_string(),
            );
            if let Some(path) = &config.ready_path {
                environment.insert("DANBI_HTTP_READY_PATH".into(), path.clone());
            }
            NO_HANDLER.into()
        }
    };
    let described = config
        .description
        .clone()
        .unwrap_or_else(|| format!("{}: {}", plan.name, plan.kind));
    FunctionSettings {
        runtime: plan.runtime.clone(),
        handler,
        memory: config.memory.unwrap_or(DEFAULT_MEMORY),
        timeout: config.timeout.unwrap_or(DEFAULT_TIMEOUT),
        storage: config.storage.unwrap_or(DEFAULT_STORAGE),
        environment,
        description: described.chars().take(256).collect(),
    }
}

fn grouped(files: &[Selected], name: impl Fn(&str) -> String) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for file in files {
        let path = name(&file.path);
        let group = groups.entry(path.clone()).or_insert(Group {
            path,
            files: 0,
            bytes: 0,
        });
        group.files += 1;
        group.bytes += file.size;
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    groups
}

/// The first `depth` segments of a path; a folder ends in `/`.
fn top(path: &str, depth: usize) -> String {
    match path.match_indices('/').nth(depth - 1) {
        Some((end, _)) => path[..=end].to_owned(),
        None => path.to_owned(),
    }
}

impl Report {
    /// What stays out because it looks like a secret: worth telling even when the rest is not.
    pub fn secrets(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|out| out.reason == Reason::Secret)
    }
}
