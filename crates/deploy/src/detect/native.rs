//! Programs: Rust, Go, and executables that are built already.

use super::{Found, PLAIN_RUNTIME, SERVER_CONCURRENCY, source};
use crate::plan::{Build, Kind, Serving};
use crate::{Config, DeployError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The name of a server's binary in the package.
const SERVER: &str = "server";
const RUST_RUNTIMES: [&str; 2] = ["lambda_http", "lambda_runtime"];
const GO_RUNTIME: &str = "github.com/aws/aws-lambda-go";

pub(super) fn rust(folder: &Path, _config: &Config) -> Result<Option<Found>, DeployError> {
    let path = folder.join("Cargo.toml");
    let Some(text) = source(&path) else { return Ok(None) };
    let manifest: toml::Table = toml::from_str(&text).map_err(|error| DeployError::Unclear {
        problem: format!("{} is not TOML: {error}", path.display()),
        advice: "correct it; `cargo metadata` should succeed".into(),
    })?;
    let Some(package) = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
    else {
        return Ok(None);
    };
    let mut binaries: Vec<String> = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|binary| binary.get("name")?.as_str().map(str::to_owned))
        .collect();
    if binaries.is_empty() && folder.join("src/main.rs").is_file() {
        binaries.push(package.to_owned());
    }
    let binary = match binaries.as_slice() {
        [] => return Ok(None),
        [only] => only.clone(),
        several => match several.iter().find(|name| *name == package) {
            Some(name) => name.clone(),
            None => {
                return Err(DeployError::Unclear {
                    problem: format!("Cargo.toml builds several binaries: {}", several.join(", ")),
                    advice: "give the one to deploy the package's name, or say `build` and `command` in danbi.toml"
                        .into(),
                });
            }
        },
    };
    let mut because = vec![format!("Cargo.toml builds the binary {binary}")];
    let runtime = RUST_RUNTIMES
        .iter()
        .find(|name| manifest.get("dependencies").and_then(|list| list.get(**name)).is_some());
    let (target, serving) = match runtime {
        Some(runtime) => {
            because.push(format!("it depends on {runtime}, which speaks the Lambda Runtime API"));
            ("bootstrap", Serving::Bootstrap)
        }
        None => {
            because.push("it depends on no Lambda runtime, so it is an HTTP server on $PORT".into());
            (SERVER, server())
        }
    };
    let build = Build::Cargo {
        binary,
        target: target.into(),
    };
    Ok(Some(program(Kind::Rust, because, serving, build)))
}

pub(super) fn go(folder: &Path) -> Option<Found> {
    let module = source(&folder.join("go.mod"))?;
    let mut because = vec!["there is go.mod".to_owned()];
    let (target, serving) = if module.contains(GO_RUNTIME) {
        because.push(format!(
            "it depends on {GO_RUNTIME}, which speaks the Lambda Runtime API"
        ));
        ("bootstrap", Serving::Bootstrap)
    } else {
        because.push("it depends on no Lambda runtime, so it is an HTTP server on $PORT".into());
        (SERVER, server())
    };
    Some(program(Kind::Go, because, serving, Build::Go { target: target.into() }))
}

/// A file that can be executed as it is: `bootstrap`, or the only executable of the folder.
pub(super) fn executable(folder: &Path) -> Result<Option<Found>, DeployError> {
    let entries = fs::read_dir(folder).map_err(DeployError::io("read", folder))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    if names.iter().any(|name| name == "bootstrap") {
        let because = vec!["there is an executable named bootstrap".into()];
        return Ok(Some(program(
            Kind::Executable,
            because,
            Serving::Bootstrap,
            Build::Nothing,
        )));
    }
    match names.as_slice() {
        [] => Ok(None),
        [only] => {
            let because = vec![format!(
                "{only} is the only executable, so it is an HTTP server on $PORT"
            )];
            let serving = Serving::Server {
                command: format!("'./{only}'"),
                concurrency: SERVER_CONCURRENCY,
            };
            Ok(Some(program(Kind::Executable, because, serving, Build::Nothing)))
        }
        [first, ..] => Err(DeployError::Unclear {
            problem: format!("the folder holds several executables: {}", names.join(", ")),
            advice: format!("say which one serves: `command = \"./{first}\"` in danbi.toml"),
        }),
    }
}

fn server() -> Serving {
    Serving::Server {
        command: format!("./{SERVER}"),
        concurrency: SERVER_CONCURRENCY,
    }
}

fn program(kind: Kind, because: Vec<String>, serving: Serving, build: Build) -> Found {
    Found {
        kind,
        because,
        runtime: PLAIN_RUNTIME.into(),
        serving,
        build,
        warnings: Vec::new(),
    }
}
