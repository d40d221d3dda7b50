//! The command line: every verb but `serve` is a client of the platform, over the same API that anyone else uses.
//!
//! Exit codes: 0 done, 1 the work failed, 2 wrong usage.

use clap::{Args, Parser, Subcommand, ValueEnum};
use danbi_core::AccountId;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// A serverless platform in one binary: a folder with code becomes a URL.
#[derive(Debug, Parser)]
#[command(
    name = "danbi",
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the platform in the foreground; SIGTERM drains and ends it
    Serve(ServeArgs),
}

/// What `danbi serve` is told.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The folder that holds everything the platform keeps [default: ~/.local/share/danbi]
    #[arg(long, env = "DANBI_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The address and port that serve the API and the apps
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// The account that root credentials belong to
    #[arg(long, default_value = "000000000000", value_name = "ID")]
    pub account_id: AccountId,
    /// How functions are kept apart from the machine and from each other
    #[arg(long, value_enum, default_value_t = Isolation::Namespaces)]
    pub isolation: Isolation,
}

impl ServeArgs {
    /// The data folder: `--data`, else `$DANBI_DATA`, else `$XDG_DATA_HOME/danbi`, else `~/.local/share/danbi`.
    pub fn data_folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_folder)
    }
}

/// How strictly foreign code is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// Own namespaces, cgroups, seccomp and a read-only root; refuses to start where the machine cannot give them
    Namespaces,
    /// Ordinary processes of the platform's user: only for code you trust as yourself
    Process,
}

/// The data folder when no option names one: `$DANBI_DATA`, else `$XDG_DATA_HOME/danbi`, else `~/.local/share/danbi`.
pub fn default_data_folder() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(data) = set("DANBI_DATA") {
        return data;
    }
    if let Some(shared) = set("XDG_DATA_HOME") {
        return shared.join("danbi");
    }
    set("HOME")
        .unwrap_or_else(|| PathBuf::from("/root"))
        .join(".local/share/danbi")
}

/// Runs the verb that the command line names; `serve` is handed to the composition root.
pub fn run(cli: Cli, serve: fn(ServeArgs) -> ExitCode) -> ExitCode {
    match cli.command {
        Command::Serve(args) => serve(args),
    }
}
