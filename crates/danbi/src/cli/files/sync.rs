//! `danbi files sync`: sends what differs, by size and ETag. Run again after an interruption, it goes on with the rest.

use super::SyncArgs;
use super::folder::{self, Found};
use super::location::{Location, Remote};
use super::{compare, copy, list};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, size};
use crate::cli::platform::{ObjectEntry, Platform};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a sync did, or would do.
#[derive(Default)]
struct Done {
    copied: Vec<String>,
    bytes: u64,
    same: usize,
    removed: Vec<String>,
}

/// Runs `sync`.
pub async fn run(args: SyncArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let ends = (Location::parse(&args.from)?, Location::parse(&args.to)?);
    let done = match ends {
        (Location::Local(from), Location::Remote(to)) => {
            let platform = Platform::find(&args.target).await?;
            up(&platform, &output, &args, &from, &to).await?
        }
        (Location::Remote(from), Location::Local(to)) => {
            let platform = Platform::find(&args.target).await?;
            down(&platform, &output, &args, &from, &to).await?
        }
        (one, _) => {
            let both = if matches!(one, Location::Local(_)) {
                "folders of this machine"
            } else {
                "places on the platform"
            };
            return Err(Failure::usage(
                "sync needs one folder of this machine and one place on the platform",
                format!("{} and {} are both {both}", args.from, args.to),
            )
            .next("a folder begins with ./ or /: danbi files sync ./photos photos/2026"));
        }
    };
    output.done();
    let would = if args.dry_run { "would have " } else { "" };
    for name in &done.copied {
        output.line(format!("{would}copied {name}"));
    }
    for name in &done.removed {
        output.line(format!("{would}removed {name}"));
    }
    output.line(format!(
        "{} copied ({}), {} removed, {} were the same",
        done.copied.len(),
        size(done.bytes),
        done.removed.len(),
        done.same
    ));
    output.document(&json!({"copied": done.copied, "bytes": done.bytes, "removed": done.removed, "same": done.same, "dryRun": args.dry_run}));
    Ok(())
}

async fn up(platform: &Platform, output: &Output, args: &SyncArgs, from: &Path, to: &Remote) -> Result<Done, Failure> {
    if !from.is_dir() {
        return Err(
            Failure::new(format!("cannot read {}", from.display()), "it is no folder")
                .next("`danbi files put` stores a single file"),
        );
    }
    let files = folder::files(from)?;
    if !args.dry_run {
        copy::have_bucket(platform, output, &to.bucket).await?;
    }
    let prefix = to.folder();
    let mut there = by_name(&prefix, copy::below(platform, to).await?);
    let mut done = Done::default();
    let mut jobs = Vec::new();
    output.step("comparing");
    for file in files {
        let known = there.remove(&file.name);
        if let Some(object) = known
            && alike(&file.path, file.size, object).await?
        {
            done.same += 1;
            continue;
        }
        done.bytes += file.size;
        done.copied.push(file.name.clone());
        let key = format!("{prefix}{}", file.name);
        jobs.push((file, to.with_key(key)));
    }
    let superfluous: Vec<Remote> = match args.delete {
        true => there.into_values().map(|object| to.with_key(object.key)).collect(),
        false => Vec::new(),
    };
    done.removed = superfluous
        .iter()
        .map(|at| at.key.strip_prefix(&prefix).unwrap_or(&at.key).to_owned())
        .collect();
    if !args.dry_run {
        copy::send(platform, output, jobs).await?;
        list::remove(platform, output, superfluous).await?;
    }
    Ok(done)
}

async fn down(
    platform: &Platform,
    output: &Output,
    args: &SyncArgs,
    from: &Remote,
    to: &Path,
) -> Result<Done, Failure> {
    let objects = copy::placed(from, copy::below(platform, from).await?, to)?;
    let here = match to.is_dir() {
        true => folder::files(to)?,
        false => Vec::new(),
    };
    let mut here: BTreeMap<PathBuf, Found> = here.into_iter().map(|file| (file.path.clone(), file)).collect();
    let mut done = Done::default();
    let mut jobs = Vec::new();
    let prefix = from.folder();
    output.step("comparing");
    for (object, path) in objects {
        if let Some(file) = here.remove(&path)
            && alike(&path, file.size, object.clone()).await?
        {
            done.same += 1;
            continue;
        }
        done.bytes += object.size;
        done.copied
            .push(object.key.strip_prefix(&prefix).unwrap_or(&object.key).to_owned());
        jobs.push((object, path));
    }
    if args.delete {
        done.removed = here.values().map(|file| file.name.clone()).collect();
    }
    if !args.dry_run {
        copy::fetch(platform, output, from, jobs).await?;
        for file in here.values().filter(|_| args.delete) {
            std::fs::remove_file(&file.path)
                .map_err(|error| Failure::new(format!("cannot remove {}", file.path.display()), error))?;
        }
    }
    Ok(done)
}

fn by_name(prefix: &str, objects: Vec<ObjectEntry>) -> BTreeMap<String, ObjectEntry> {
    let name = |object: &ObjectEntry| object.key.strip_prefix(prefix).unwrap_or(&object.key).to_owned();
    objects.into_iter().map(|object| (name(&object), object)).collect()
}

async fn alike(path: &Path, size: u64, object: ObjectEntry) -> Result<bool, Failure> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || compare::same(&path, size, &object))
        .await
        .map_err(|error| Failure::new("cannot compare", error))?
}
