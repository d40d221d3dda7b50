//! `danbi undeploy`: everything that `danbi deploy` made is gone.

use super::Target;
use super::app;
use super::failure::Failure;
use super::platform::Platform;
use clap::Args;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

/// What `danbi undeploy` is told.
#[derive(Debug, Clone, Args)]
pub struct UndeployArgs {
    /// The app [default: the one in this folder]
    pub name: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Keep what the app has printed
    #[arg(long)]
    pub keep_logs: bool,
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb. It asks a person, and nobody else.
pub async fn run(args: UndeployArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let name = app::name_or_here(args.name.as_deref())?;
    let platform = Platform::find(&args.target).await?;
    app::deployed(&platform, &name).await?;
    let person = std::io::stdin().is_terminal() && !output.is_json();
    if person && !args.yes && !confirmed(&name) {
        return Err(Failure::new(format!("{name} was not removed"), "you did not say yes"));
    }
    platform.delete(&name).await?;
    platform.delete_app_role(&name).await?;
    if !args.keep_logs {
        platform.delete_log_group(&app::log_group(&name)).await?;
    }
    output.document(&json!({"name": name, "removed": true}));
    output.line(format!(
        "{name} is gone, with all its versions{}",
        if args.keep_logs { "" } else { " and logs" }
    ));
    Ok(ExitCode::SUCCESS)
}

fn confirmed(name: &str) -> bool {
    let mut err = std::io::stderr().lock();
    let asked = write!(err, "Remove {name} with all its versions and logs? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    asked.is_ok()
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}
