//! The command line: every verb but `serve` is a client of the platform, over the same API that anyone else uses.
//!
//! Exit codes: 0 done, 1 the work failed, 2 wrong usage. What is asked for goes to standard output, as text or with
//! `--json` as one JSON document; progress, warnings and errors go to standard error.

mod app;
mod bench;
mod db;
mod deploy;
mod dev;
mod doctor;
mod env;
mod exec;
mod failure;
mod files;
mod init;
mod invoke;
mod logs;
mod open;
mod output;
mod platform;
mod queue;
mod rollback;
mod status;
mod table;
mod undeploy;
mod upload;

use crate::gateway::{Addresses, Domain};
use clap::{Args, Parser, Subcommand, ValueEnum};
use danbi_core::{AccountId, Region};
use failure::Failure;
use output::Output;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;

/// A serverless platform in one binary: a folder with code becomes a URL.
#[derive(Debug, Parser)]
#[command(name = "danbi", version, about, disable_help_subcommand = true)]
#[command(
    after_help = "First steps: `danbi deploy` in a folder with an app, then `danbi logs -f`.\n\
                        No platform has to run: deploy and dev start one."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deploy the app in a folder, or its next version, and print its URL
    Deploy(deploy::DeployArgs),
    /// Deploy on every change of the folder, with the logs, until Ctrl-C
    Dev(dev::DevArgs),
    /// Show the apps, or one app with its versions
    Status(status::StatusArgs),
    /// Show what an app prints, or the story of one request
    Logs(logs::LogsArgs),
    /// Call an app with an event, or a path, and print the answer
    Invoke(invoke::InvokeArgs),
    /// Measure an app: how long it takes cold, restored and warm
    Bench(bench::BenchArgs),
    /// Go back to the version before, or to a given one
    Rollback(rollback::RollbackArgs),
    /// Remove an app with all its versions
    Undeploy(undeploy::UndeployArgs),
    /// Print an app's URL
    Url(open::UrlArgs),
    /// Open an app in the browser
    Open(open::UrlArgs),
    /// Store, fetch, list, share and remove files (S3 buckets and objects)
    Files(files::FilesArgs),
    /// Make tables; store, fetch, query, import and export items (DynamoDB)
    Table(table::TableArgs),
    /// Make queues; send and receive messages (SQS)
    Queue(queue::QueueArgs),
    /// Make databases that sleep when nobody uses them; back them up, restore them to any second (RDS)
    Db(db::DbArgs),
    /// Print export lines that point AWS tools at the platform
    Env(env::EnvArgs),
    /// Run a command with AWS tools pointed at the platform, hard-coded amazonaws.com names included
    Exec(exec::ExecArgs),
    /// Write a danbi.toml with every key explained
    Init(init::InitArgs),
    /// Check this machine: what works, what does not, and what to do about it
    Doctor(doctor::DoctorArgs),
    /// Run the platform in the foreground; SIGTERM drains and ends it
    Serve(ServeArgs),
}

/// What `danbi serve` is told.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The folder that holds everything the platform keeps [default: ~/.local/share/danbi]
    #[arg(long, env = "DANBI_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the bytes of objects and packages in a bucket of any S3, not in the data folder; endpoint, region and
    /// credentials from AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, env = "DANBI_BLOBS", value_name = "s3://BUCKET/PREFIX")]
    pub blobs: Option<String>,
    /// The address and port that serve the API and the apps
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where apps answer besides NAME.localhost: at NAME.DOMAIN
    #[arg(long, env = "DANBI_DOMAIN", value_name = "DOMAIN")]
    pub domain: Option<Domain>,
    /// A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed, by its address or network; may be repeated
    #[arg(
        long = "trusted-proxy",
        env = "DANBI_TRUSTED_PROXIES",
        value_name = "ADDR[/BITS]",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<Addresses>,
    /// The account that root credentials belong to
    #[arg(long, default_value = "000000000000", value_name = "ID")]
    pub account_id: AccountId,
    /// How functions are kept apart from the machine and from each other
    #[arg(long, value_enum, default_value_t = Isolation::Namespaces)]
    pub isolation: Isolation,
    /// What new S3 buckets guard against by themselves
    #[arg(long, env = "DANBI_NEW_BUCKETS", value_enum, default_value_t = NewBuckets::Guarded)]
    pub new_buckets: NewBuckets,
    /// Whose S3 is spoken where others answer otherwise than AWS
    #[arg(long, env = "DANBI_S3_DIALECT", value_enum, default_value_t = S3Dialect::Aws)]
    pub s3_dialect: S3Dialect,
    /// Hold DynamoDB tables to their throughput: what is provisioned, with five minutes of burst, or set for on demand
    #[arg(long, env = "DANBI_THROTTLE_TABLES")]
    pub throttle_tables: bool,
    /// The ports that databases get unless one is asked for [default: the engine's own if free, else one of 23306-24305]
    #[arg(long, env = "DANBI_DATABASE_PORTS", value_name = "FIRST-LAST", value_parser = port_range)]
    pub database_ports: Option<RangeInclusive<u16>>,
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let ends = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        (1150 <= first && first <= last).then_some(first..=last)
    });
    ends.ok_or_else(|| "two ports from 1150 up, such as 23306-24305".to_owned())
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

/// What new S3 buckets guard against, unless the request that makes one says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewBuckets {
    /// All public access is blocked and access control lists do not count, as AWS has it since April 2023
    Guarded,
    /// Nothing is blocked, access control lists count and no encryption is set, as it was before: for applications that
    /// grant by lists
    Open,
}

/// Whose S3 is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum S3Dialect {
    /// Amazon's
    Aws,
    /// That of Ceph's Object Gateway, for applications that were written for one
    Ceph,
}

/// Which platform a verb speaks to, and how it answers.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The platform [default: http://127.0.0.1:4566]
    #[arg(long, env = "DANBI_ENDPOINT", value_name = "URL", help_heading = "Platform")]
    pub endpoint: Option<String>,
    /// The region that resources belong to [default: us-east-1, or what the profile says]
    #[arg(long, value_name = "REGION", help_heading = "Platform")]
    pub region: Option<Region>,
    /// The platform's data folder, for its credentials [default: ~/.local/share/danbi]
    #[arg(long, env = "DANBI_DATA", value_name = "DIR", help_heading = "Platform")]
    pub data: Option<PathBuf>,
    /// Answer with one JSON document
    #[arg(long, help_heading = "Platform")]
    pub json: bool,
}

impl Target {
    /// As [`ServeArgs::data_folder`].
    pub fn data_folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_folder)
    }

    fn output(&self) -> Output {
        Output::new(self.json)
    }
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
///
/// Call it before any thread is started: `doctor` asks the sandbox, whose launcher has to come first.
pub fn run(cli: Cli, serve: fn(ServeArgs) -> ExitCode) -> ExitCode {
    let (json, outcome) = match cli.command {
        Command::Serve(args) => return serve(args),
        Command::Deploy(args) => (args.app.target.json, in_runtime(deploy::run(args))),
        Command::Dev(args) => (args.app.target.json, in_runtime(dev::run(args))),
        Command::Status(args) => (args.target.json, in_runtime(status::run(args))),
        Command::Logs(args) => (args.target.json, in_runtime(logs::run(args))),
        Command::Invoke(args) => (args.target.json, in_runtime(invoke::run(args))),
        Command::Bench(args) => (args.json(), in_runtime(bench::run(args))),
        Command::Rollback(args) => (args.target.json, in_runtime(rollback::run(args))),
        Command::Undeploy(args) => (args.target.json, in_runtime(undeploy::run(args))),
        Command::Url(args) => (args.target.json, in_runtime(open::url(args))),
        Command::Open(args) => (args.target.json, in_runtime(open::open(args))),
        Command::Files(args) => (args.json(), in_runtime(files::run(args))),
        Command::Db(args) => (args.json(), in_runtime(db::run(args))),
        Command::Table(args) => (args.json(), in_runtime(table::run(args))),
        Command::Queue(args) => (args.json(), in_runtime(queue::run(args))),
        Command::Env(args) => (args.target.json, in_runtime(env::run(args))),
        Command::Exec(args) => (false, in_runtime(exec::run(args))),
        Command::Init(args) => (args.json, init::run(&args)),
        Command::Doctor(args) => (args.target.json, doctor::run(args)),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            failure.show(json);
            failure.exit_code()
        }
    }
}

fn in_runtime(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::new("cannot start", error).next("check the limits on threads and open files (ulimit -a)")
    })?;
    let outcome = runtime.block_on(work);
    // A read of standard input or a build that was given up must not hold the exit back.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_in_every_verb() {
        Cli::command().debug_assert();
    }
}
