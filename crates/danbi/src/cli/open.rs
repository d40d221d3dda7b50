//! `danbi url` and `danbi open`.

use super::Target;
use super::app;
use super::failure::Failure;
use super::platform::Platform;
use clap::Args;
use serde_json::json;
use std::io::IsTerminal;
use std::process::{Command, ExitCode, Stdio};

const BROWSERS: [&str; 3] = ["xdg-open", "wslview", "open"];

/// What `danbi url` and `danbi open` are told.
#[derive(Debug, Clone, Args)]
pub struct UrlArgs {
    /// The app [default: the one in this folder]
    pub name: Option<String>,
    /// The URL by path, for clients that cannot resolve *.localhost
    #[arg(long)]
    pub path: bool,
    #[command(flatten)]
    pub target: Target,
}

/// Runs `danbi url`.
pub async fn url(args: UrlArgs) -> Result<ExitCode, Failure> {
    show(&args).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `danbi open`: prints the URL, and opens it where there is a desktop.
pub async fn open(args: UrlArgs) -> Result<ExitCode, Failure> {
    let url = show(&args).await?;
    let desktop = std::env::var_os("DISPLAY")
        .or_else(|| std::env::var_os("WAYLAND_DISPLAY"))
        .is_some();
    if desktop && std::io::stdout().is_terminal() {
        let quiet = |program: &&str| {
            Command::new(program)
                .arg(&url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .is_ok()
        };
        if !BROWSERS.iter().any(quiet) {
            args.target.output().warn("no browser was found: open the URL by hand");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &UrlArgs) -> Result<String, Failure> {
    let output = args.target.output();
    let name = app::name_or_here(args.name.as_deref())?;
    let platform = Platform::find(&args.target).await?;
    app::deployed(&platform, &name).await?;
    let urls = platform.app_urls(&name);
    let url = if args.path {
        urls.path_url.clone()
    } else {
        urls.url.clone()
    };
    output.document(&json!({"name": name, "url": urls.url, "pathUrl": urls.path_url}));
    output.line(&url);
    Ok(url)
}
