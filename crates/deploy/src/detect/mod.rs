//! Looks at a folder and says what it is, and why it thinks so. One file a language; this one holds their order.

mod native;
mod node;
mod poetry;
mod python;
mod site;

use crate::plan::{Build, Kind, Plan, Serving};
use crate::{Config, DeployError, check_name, toolchain};
use std::fs;
use std::path::Path;

/// What a detector found.
pub(crate) struct Found {
    kind: Kind,
    because: Vec<String>,
    runtime: String,
    serving: Serving,
    build: Build,
    warnings: Vec<String>,
}

/// Requests that one environment of an HTTP server takes at once, unless the kind or the configuration knows better.
pub(crate) const SERVER_CONCURRENCY: u32 = 64;
/// The runtime of what needs no interpreter.
pub(crate) const PLAIN_RUNTIME: &str = "provided.al2023";

/// Source files larger than this are data.
const MAX_SOURCE: u64 = 1024 * 1024;

/// Says what `folder` is. Configuration wins over everything seen; of what is seen, the more telling fact wins:
/// a Procfile, then frameworks, then package.json, Cargo.toml, go.mod, then handler files, then an index.html.
///
/// # Errors
/// When nothing tells, when two readings are equally good, and when the folder cannot be read.
pub fn inspect(folder: &Path, config: &Config) -> Result<Plan, DeployError> {
    let folder = folder.canonicalize().map_err(DeployError::io("open", folder))?;
    if !folder.is_dir() {
        return Err(DeployError::Unclear {
            problem: format!("{} is not a folder", folder.display()),
            advice: "give the folder that holds the app".into(),
        });
    }
    let name = app_name(&folder, config)?;
    let found = configured(&folder, config)?.map_or_else(|| guess(&folder, config), Ok)?;
    let Found {
        kind,
        because,
        runtime,
        serving,
        build,
        warnings,
    } = found;
    let build = if config.install == Some(false) && matches!(build, Build::Pip { .. } | Build::Npm { .. }) {
        Build::Nothing
    } else {
        build
    };
    Ok(Plan {
        folder,
        name,
        kind,
        because,
        runtime,
        serving,
        build,
        warnings,
    })
}

/// The app's name: from the configuration, else the folder's, made fit to be a host name.
///
/// # Errors
/// When the folder's name holds no letter or digit to build on.
pub fn app_name(folder: &Path, config: &Config) -> Result<String, DeployError> {
    if let Some(name) = &config.name {
        return Ok(name.clone());
    }
    let folder = folder.canonicalize().map_err(DeployError::io("open", folder))?;
    let words = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let fit: String = words
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = fit.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(63).collect();
    let name = name.trim_end_matches('-').to_owned();
    check_name(&name).map_err(|_| DeployError::Unclear {
        problem: format!("the folder's name {words:?} gives no name for the app"),
        advice: "write `name = \"…\"` into danbi.toml, or use --name".into(),
    })?;
    Ok(name)
}

/// What the configuration says outright.
fn configured(folder: &Path, config: &Config) -> Result<Option<Found>, DeployError> {
    let said = |what: &str| vec![format!("the configuration says {what}")];
    if let Some(command) = &config.command {
        return Ok(Some(command_server(folder, config, command, said("`command`"))));
    }
    if let Some(dir) = &config.static_dir {
        return site::configured(folder, dir, said("`static`"), config).map(Some);
    }
    if let Some(handler) = &config.handler {
        let because = said("`handler`");
        return match handler_language(folder, config, handler) {
            Kind::NodeHandler => node::handler(folder, config, handler.clone(), because).map(Some),
            _ => Ok(Some(python::handler(folder, config, handler.clone(), because))),
        };
    }
    let Some(kind) = config.kind else { return Ok(None) };
    let missing = |what: &str| DeployError::Unclear {
        problem: format!("the configuration says that this is {kind}, but {what}"),
        advice: "correct `kind`, or take it out to have it found out".into(),
    };
    let found = match kind {
        Kind::Django => {
            python::django(folder, config).ok_or_else(|| missing("there is no manage.py with a settings module"))?
        }
        Kind::Flask | Kind::Fastapi => {
            python::framework(folder, config, Some(kind)).ok_or_else(|| missing("no file makes such an app"))?
        }
        Kind::PythonHandler => {
            python::handler_file(folder, config)?.ok_or_else(|| missing("no file holds a handler"))?
        }
        Kind::NodeHandler => node::handler_file(folder, config)?.ok_or_else(|| missing("no file exports a handler"))?,
        Kind::Node => node::server(folder, config)?
            .ok_or_else(|| missing("package.json has neither a start script nor a main file"))?,
        Kind::Rust => native::rust(folder, config)?.ok_or_else(|| missing("there is no Cargo.toml with a binary"))?,
        Kind::Go => native::go(folder).ok_or_else(|| missing("there is no go.mod"))?,
        Kind::Static => site::found(folder).ok_or_else(|| missing("there is no index.html"))?,
        Kind::Executable => native::executable(folder)?.ok_or_else(|| missing("there is no executable file"))?,
        Kind::Command => return Err(missing("`command` is not given")),
    };
    Ok(Some(found))
}

fn guess(folder: &Path, config: &Config) -> Result<Found, DeployError> {
    if let Some(command) = procfile(folder) {
        let because = vec![format!("Procfile starts `{command}` for the web")];
        return Ok(command_server(folder, config, &python::as_module(&command), because));
    }
    if let Some(found) = python::django(folder, config).or_else(|| python::framework(folder, config, None)) {
        return Ok(found);
    }
    if let Some(found) = node::server(folder, config)? {
        return Ok(found);
    }
    if let Some(found) = native::rust(folder, config)? {
        return Ok(found);
    }
    if let Some(found) = native::go(folder) {
        return Ok(found);
    }
    if let Some(found) = python::handler_file(folder, config)? {
        return Ok(found);
    }
    if let Some(found) = node::handler_file(folder, config)? {
        return Ok(found);
    }
    if let Some(found) = node::built_site(folder) {
        return Ok(found);
    }
    if let Some(found) = site::found(folder) {
        return Ok(found);
    }
    if let Some(found) = native::executable(folder)? {
        return Ok(found);
    }
    Err(DeployError::Unknown {
        folder: folder.to_owned(),
        looked_for: "there is no Django, Flask or FastAPI app, no package.json with a start script, no Cargo.toml or go.mod, no handler \
                     file (lambda_function, handler, index, main in .py or .js), no index.html and no executable"
            .into(),
    })
}

/// A server by its command. What is beside it decides which dependencies are installed.
fn command_server(folder: &Path, config: &Config, command: &str, mut because: Vec<String>) -> Found {
    let (runtime, build) = if folder.join("package.json").is_file() {
        because.push("package.json lists its dependencies".into());
        (toolchain::node_runtime(config), Build::Npm { script: None })
    } else if let Some(requirements) = python::requirements(folder) {
        because.push(format!("{} lists its dependencies", requirements.file));
        (
            toolchain::python_runtime(config),
            Build::Pip {
                requirements: requirements.arguments,
                added: Vec::new(),
            },
        )
    } else {
        let plain = config
            .runtime
            .clone()
            .unwrap_or_else(|| match command.split_whitespace().next() {
                Some(word) if word.starts_with("python") => toolchain::python_runtime(config),
                Some("node" | "npm" | "npx") => toolchain::node_runtime(config),
                _ => PLAIN_RUNTIME.into(),
            });
        (plain, Build::Nothing)
    };
    Found {
        kind: Kind::Command,
        because,
        runtime,
        serving: Serving::Server {
            command: command.to_owned(),
            concurrency: SERVER_CONCURRENCY,
        },
        build,
        warnings: Vec::new(),
    }
}

/// `app.handler` belongs to app.py or app.js, whichever exists; the configured runtime decides when both do.
fn handler_language(folder: &Path, config: &Config, handler: &str) -> Kind {
    if let Some(runtime) = &config.runtime {
        return if runtime.starts_with("nodejs") {
            Kind::NodeHandler
        } else {
            Kind::PythonHandler
        };
    }
    let file = handler.rsplit_once('.').map_or(handler, |(file, _)| file);
    let exists = |ending: &str| folder.join(format!("{file}.{ending}")).is_file();
    if !exists("py") && ["js", "mjs", "cjs"].into_iter().any(exists) {
        Kind::NodeHandler
    } else {
        Kind::PythonHandler
    }
}

fn procfile(folder: &Path) -> Option<String> {
    let text = source(&folder.join("Procfile"))?;
    let command = text.lines().find_map(|line| line.strip_prefix("web:"))?.trim();
    (!command.is_empty()).then(|| command.to_owned())
}

/// The text of a source file; nothing when it is missing, not text, or too large to be source.
fn source(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SOURCE {
        return None;
    }
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests;
