//! `danbi status`: all apps, or one with its versions.

use super::Target;
use super::app::{self, APP_TAG};
use super::failure::Failure;
use super::output::size;
use super::platform::Platform;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What `danbi status` is told.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// One app, with its versions
    pub name: Option<String>,
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb.
pub async fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    let platform = Platform::find(&args.target).await?;
    match &args.name {
        Some(name) => one(&platform, &args, name).await,
        None => all(&platform, &args).await,
    }
}

async fn all(platform: &Platform, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let mut apps = Vec::new();
    let mut others = 0_u32;
    let mut marker: Option<String> = None;
    loop {
        let (functions, next) = platform.functions_page(marker.as_deref()).await?;
        for function in functions {
            if !platform.tags(&function.function_arn).await?.contains_key(APP_TAG) {
                others += 1;
                continue;
            }
            let live = platform
                .live(&function.function_name)
                .await?
                .map(|alias| alias.function_version);
            let urls = platform.app_urls(&function.function_name);
            apps.push(json!({
                "name": function.function_name, "live": live, "url": urls.url, "pathUrl": urls.path_url, "runtime": function.runtime,
                "memory": function.memory_size, "lastModified": function.last_modified, "description": function.description,
            }));
        }
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    for app in &apps {
        let text = |key: &str| app[key].as_str().unwrap_or("-").to_owned();
        output.line(format!(
            "{:<24} version {:<5} {:<48} {}",
            text("name"),
            text("live"),
            text("url"),
            text("lastModified")
        ));
    }
    if apps.is_empty() {
        output.line("no apps yet: `danbi deploy` in a folder makes one");
    }
    if others > 0 {
        output.line(format!(
            "and {others} functions made by other tools (`danbi exec -- aws lambda list-functions`)"
        ));
    }
    let environments = platform.health().await?["environments"].take();
    if let Some(line) = environments_line(&environments) {
        output.line(line);
    }
    output.document(&json!({
        "endpoint": platform.endpoint.to_string(), "region": platform.region, "apps": apps, "otherFunctions": others,
        "environments": environments,
    }));
    Ok(ExitCode::SUCCESS)
}

/// What runs now and how events began, of all functions together; nothing on a platform that does not say.
fn environments_line(environments: &Value) -> Option<String> {
    let number = |path: &str| environments.pointer(path).and_then(Value::as_u64);
    let now: u64 = ["starting", "idle", "frozen", "busy"]
        .iter()
        .filter_map(|state| number(&format!("/now/{state}")))
        .sum();
    Some(format!(
        "environments: {now} ({} busy, {} frozen); {} templates ({} evicted), {} waiting processes; events: {} warm, {} restored, {} \
         by a waiting process, {} cold",
        number("/now/busy")?,
        number("/now/frozen")?,
        number("/templates/now")?,
        number("/templates/evicted")?,
        number("/workers")?,
        number("/events/warm")?,
        number("/events/restored")?,
        number("/events/assigned")?,
        number("/events/started")?,
    ))
}

async fn one(platform: &Platform, args: &StatusArgs, name: &str) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let name = app::name_or_here(Some(name))?;
    let function = app::deployed(platform, &name).await?;
    let live = platform.live(&name).await?.map(|alias| alias.function_version);
    let versions = platform.versions(&name).await?;
    let urls = platform.app_urls(&name);
    output.line(format!("{name}: {}", function.description));
    output.line(format!("  url      {}\n           {}", urls.url, urls.path_url));
    output.line(format!(
        "  runs on  {}, {} MiB, at most {} s",
        function.runtime, function.memory_size, function.timeout
    ));
    for version in versions.iter().rev() {
        let mark = if Some(&version.version) == live.as_ref() {
            "live"
        } else {
            ""
        };
        output.line(format!(
            "  version  {:<5} {:<5} {}  {}",
            version.version,
            mark,
            version.last_modified,
            size(version.code_size)
        ));
    }
    let versions: Vec<_> = versions
        .iter()
        .map(|version| json!({"version": version.version, "lastModified": version.last_modified, "codeSize": version.code_size, "codeSha256": version.code_sha256}))
        .collect();
    output.document(&json!({
        "name": name, "live": live, "url": urls.url, "pathUrl": urls.path_url, "runtime": function.runtime, "memory": function.memory_size,
        "timeout": function.timeout, "state": function.state, "description": function.description, "versions": versions,
    }));
    Ok(ExitCode::SUCCESS)
}
