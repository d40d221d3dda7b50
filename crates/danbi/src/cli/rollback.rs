//! `danbi rollback`: a version holds code and configuration, so going back restores both, in one step.

use super::Target;
use super::app;
use super::failure::Failure;
use super::platform::Platform;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// What `danbi rollback` is told.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The version to go to [default: the one before the live one]
    pub version: Option<u64>,
    /// The app [default: the one in this folder]
    #[arg(long)]
    pub name: Option<String>,
    /// Only list the versions
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb.
pub async fn run(args: RollbackArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let name = app::name_or_here(args.name.as_deref())?;
    let platform = Platform::find(&args.target).await?;
    app::deployed(&platform, &name).await?;
    let versions = platform.versions(&name).await?;
    let live = platform
        .live(&name)
        .await?
        .and_then(|alias| alias.function_version.parse::<u64>().ok());
    let numbers: Vec<u64> = versions
        .iter()
        .filter_map(|version| version.version.parse().ok())
        .collect();
    if args.list {
        for version in versions.iter().rev() {
            let mark = if version.version.parse().ok() == live {
                "live"
            } else {
                ""
            };
            output.line(format!(
                "{:<5} {:<5} {}  {}",
                version.version, mark, version.last_modified, version.description
            ));
        }
        output.document(&json!({"name": name, "live": live, "versions": numbers}));
        return Ok(ExitCode::SUCCESS);
    }
    let list = || format!("`danbi rollback --list --name {name}` shows the versions");
    let wanted = match args.version {
        Some(version) if numbers.contains(&version) => version,
        Some(version) => {
            return Err(Failure::new(
                format!("cannot go to version {version} of {name}"),
                "there is no such version",
            )
            .next(list()));
        }
        None => {
            let before = |live: u64| numbers.iter().copied().filter(|number| *number < live).max();
            live.and_then(before).ok_or_else(|| {
                Failure::new(
                    format!("cannot roll {name} back"),
                    "there is no version before the live one",
                )
                .next(list())
            })?
        }
    };
    platform.go_live(&name, &wanted.to_string(), live.is_some()).await?;
    output
        .document(&json!({"name": name, "version": wanted.to_string(), "previous": live.map(|live| live.to_string())}));
    match live {
        Some(live) if live == wanted => output.line(format!("version {wanted} of {name} is live already")),
        Some(live) => output.line(format!("version {wanted} of {name} is live, in place of {live}")),
        None => output.line(format!("version {wanted} of {name} is live")),
    }
    Ok(ExitCode::SUCCESS)
}
