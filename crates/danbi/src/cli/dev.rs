//! `danbi dev`: the same engine, the same sandbox, deployed again whenever a file changes.

use super::deploy::{AppArgs, DeployArgs, configuration, deploy, packed};
use super::failure::Failure;
use super::logs;
use super::output::Output;
use super::platform::{LogQuery, Platform};
use clap::Args;
use danbi_core::{Clock, SystemClock};
use danbi_deploy::{Config, FILE_NAMES, select};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const WATCH_PAUSE: Duration = Duration::from_millis(400);

/// What `danbi dev` is told.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    #[command(flatten)]
    pub app: AppArgs,
}

/// Runs the verb. A platform that it started ends with it.
pub async fn run(args: DevArgs) -> Result<ExitCode, Failure> {
    let output = args.app.target.output();
    let platform = Platform::find_or_start(&args.app.target, &output).await?;
    output.done();
    let outcome = tokio::select! {
        outcome = develop(&platform, &args.app, &output) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
        () = terminated() => Ok(ExitCode::SUCCESS),
    };
    output.done();
    if let Some(started) = &platform.started {
        output.line("stopping the platform");
        // It may have ended by itself; then there is nothing to stop.
        let _ = Command::new("kill").args(["-TERM", &started.pid.to_string()]).status();
    }
    outcome
}

async fn develop(platform: &Platform, app: &AppArgs, output: &Output) -> Result<ExitCode, Failure> {
    let deploy_args = DeployArgs {
        app: app.clone(),
        dry_run: false,
        no_check: false,
        adopt: false,
    };
    let config = configuration(app)?;
    let folder = app
        .folder
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot open {}", app.folder.display()), error))?;
    let name = danbi_deploy::app_name(&folder, &config)?;
    let group = super::app::log_group(&name);
    let query = LogQuery {
        group: &group,
        from: Some(SystemClock.now().as_millis()),
        ..LogQuery::default()
    };
    let redeploying = async {
        loop {
            let files = stamps(&folder, &config);
            if let Err(failure) = once(platform, &deploy_args, output).await {
                failure.show(output.is_json());
                output.line("waiting for the next change");
            }
            changed(&folder, &config, &files).await;
            output.line("a file changed: deploying");
        }
    };
    tokio::select! {
        outcome = logs::follow(platform, &query, &[], output) => outcome,
        () = redeploying => Ok(ExitCode::SUCCESS),
    }
}

async fn once(platform: &Platform, args: &DeployArgs, output: &Output) -> Result<(), Failure> {
    // Read anew each time: the configuration is one of the files that change.
    let config = configuration(&args.app)?;
    let (plan, packed) = packed(&args.app, config.clone(), output).await?;
    for missing in &packed.report.missing {
        output.warn(format!(
            "{} line {} imports {}, which is not in the package",
            missing.file, missing.line, missing.module
        ));
    }
    let deployed = deploy(platform, args, &config, &plan, &packed, output).await;
    output.done();
    let deployed = deployed?;
    output.event(
        &deployed,
        format!("version {} is live on {}", deployed.version, deployed.urls.url),
    );
    Ok(())
}

/// Ends when a file that goes into the package, or the configuration, is no longer what `before` says.
async fn changed(folder: &Path, config: &Config, before: &BTreeMap<PathBuf, (SystemTime, u64)>) {
    loop {
        tokio::time::sleep(WATCH_PAUSE).await;
        let (folder, config) = (folder.to_owned(), config.clone());
        let now = tokio::task::spawn_blocking(move || stamps(&folder, &config)).await;
        if now.is_ok_and(|now| now != *before) {
            return;
        }
    }
}

fn stamps(folder: &Path, config: &Config) -> BTreeMap<PathBuf, (SystemTime, u64)> {
    let selected = select(folder, config)
        .map(|selection| selection.files)
        .unwrap_or_default();
    let configuration = FILE_NAMES.iter().map(|name| folder.join(name));
    let stamp = |path: PathBuf| {
        let metadata = path.metadata().ok()?;
        Some((path, (metadata.modified().ok()?, metadata.len())))
    };
    selected
        .into_iter()
        .map(|file| file.source)
        .chain(configuration)
        .filter_map(stamp)
        .collect()
}

async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    }
}
