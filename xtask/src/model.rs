//! `cargo xtask model`: trims AWS's published service models and generates the typed shapes of built operations.
//!
//! Input is botocore's `data` folder (Apache-2.0), from `--from DIR` or the newest PyPI release. Only facts are kept:
//! the prose is dropped, and operations that are not built keep no more than their name and route, which is what an
//! honest "not implemented" needs.

mod services;
mod shapes;
mod sqs;
mod trim;

use serde_json::Value;
use services::SERVICES;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whatever stopped the verb, in words.
pub type Failure = Box<dyn std::error::Error>;

/// Runs the verb with its command-line arguments.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("xtask has no parent folder")?;
    let scratch = Scratch::new()?;
    let data = match arguments {
        [] => download(&scratch.0)?,
        [flag, folder] if flag == "--from" => PathBuf::from(folder),
        _ => return Err("usage: cargo xtask model [--from DIR]".into()),
    };
    for service in SERVICES {
        let source = newest_version(&data.join(service.name))?;
        let model: Value = serde_json::from_slice(&read(&source, &scratch.0)?)?;
        let mut trimmed = trim::trim(&model, service.operations, service.open_enums)?;
        if service.name == "sqs" {
            sqs::speak_query(&mut trimmed)?;
        }
        let mut text = serde_json::to_string_pretty(&trimmed)?;
        text.push('\n');
        std::fs::write(root.join(format!("crates/wire/models/{}.json", service.name)), text)?;
        let generated = root.join(format!("crates/{}/src/{}", service.home, service.file));
        std::fs::write(
            &generated,
            shapes::generate(&trimmed, service.operations, service.own_types)?,
        )?;
        let status = Command::new("rustfmt")
            .args(["--edition", "2024"])
            .arg(&generated)
            .status()?;
        if !status.success() {
            return Err(format!("rustfmt refused {}", generated.display()).into());
        }
        println!("{}: {} operations with shapes", service.name, service.operations.len());
    }
    Ok(())
}

/// The model file of the newest API version in a service's folder; releases have it gzipped, checkouts plain.
fn newest_version(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut versions: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    versions.sort();
    let files = versions
        .iter()
        .rev()
        .flat_map(|version| MODEL_FILES.map(|name| version.join(name)));
    let missing = || format!("no {} under {}", MODEL_FILES[0], folder.display()).into();
    files.into_iter().find(|path| path.is_file()).ok_or_else(missing)
}

const MODEL_FILES: [&str; 2] = ["service-2.json", "service-2.json.gz"];

/// The text of a model file; a gzipped one is unpacked in `scratch`.
fn read(source: &Path, scratch: &Path) -> Result<Vec<u8>, Failure> {
    if source.extension().is_none_or(|extension| extension != "gz") {
        return Ok(std::fs::read(source)?);
    }
    let copy = scratch.join(MODEL_FILES[1]);
    std::fs::copy(source, &copy)?;
    let status = Command::new("python3").args(["-m", "gzip", "-d"]).arg(&copy).status()?;
    if !status.success() {
        return Err(format!("cannot unpack {}", source.display()).into());
    }
    Ok(std::fs::read(scratch.join(MODEL_FILES[0]))?)
}

/// Fetches botocore from PyPI and returns its `data` folder.
fn download(into: &Path) -> Result<PathBuf, Failure> {
    let run = |program: &str, arguments: &[&str]| -> Result<(), Failure> {
        let status = Command::new(program).args(arguments).current_dir(into).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{program} {arguments:?} failed").into())
        }
    };
    run(
        "python3",
        &["-m", "pip", "download", "--quiet", "--no-deps", "botocore"],
    )?;
    let wheel = std::fs::read_dir(into)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or("pip left no wheel")?;
    run("python3", &["-m", "zipfile", "-e", &wheel.to_string_lossy(), "."])?;
    Ok(into.join("botocore/data"))
}

/// A folder that goes when the verb ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("danbi-model-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
