//! `danbi files`: buckets and objects from the command line, over S3's own API.

mod compare;
mod copy;
mod folder;
mod list;
mod location;
mod media_type;
mod share;
mod sync;
mod transfer;

use super::Target;
use super::failure::Failure;
use super::platform::Platform;
use clap::{Args, Subcommand};
pub use location::Remote;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
pub use transfer::Transfers;

/// What `danbi files` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "A file on the platform is BUCKET/KEY, such as photos/2026/cat.jpg.\n\
                  Everything speaks S3: the AWS CLI, rclone and boto3 see the same files.")]
pub struct FilesArgs {
    /// What to do
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Make a bucket
    Create(CreateArgs),
    /// Store files; a bucket that is missing is made
    Put(PutArgs),
    /// Fetch a file, or with -r all below a prefix
    Get(GetArgs),
    /// Show the buckets, or what is in one
    Ls(LsArgs),
    /// Remove files, or with -r all below a prefix
    Rm(RmArgs),
    /// Make a folder and a prefix alike, in one direction, sending only what differs
    Sync(SyncArgs),
    /// Print a URL that stands for one request, for a while
    Sign(SignArgs),
    /// Let anyone read a file or all below a prefix, and print its URL
    Public(PublicArgs),
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    /// The bucket's name
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct PutArgs {
    /// Files, or folders with -r; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    sources: Vec<PathBuf>,
    /// BUCKET/KEY, or BUCKET/PREFIX/ to keep the names
    #[arg(value_name = "BUCKET/KEY")]
    to: String,
    /// Whole folders
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct GetArgs {
    /// The file, or with -r the prefix
    #[arg(value_name = "BUCKET/KEY")]
    from: String,
    /// A file or folder of this machine; - writes to standard output [default: the key's last part, here]
    #[arg(value_name = "FILE")]
    to: Option<PathBuf>,
    /// All below the prefix
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct LsArgs {
    /// A bucket, or a prefix in it [default: all buckets]
    #[arg(value_name = "BUCKET/PREFIX")]
    at: Option<String>,
    /// Without grouping by folders
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct RmArgs {
    /// Files, or prefixes with -r; a whole BUCKET goes with -r as well
    #[arg(required = true, value_name = "BUCKET/KEY")]
    at: Vec<String>,
    /// All below the prefix
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct SyncArgs {
    /// ./FOLDER, or BUCKET/PREFIX
    from: String,
    /// BUCKET/PREFIX, or ./FOLDER
    to: String,
    /// Remove at the second place what is not at the first
    #[arg(long)]
    delete: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct SignArgs {
    /// The file
    #[arg(value_name = "BUCKET/KEY")]
    at: String,
    /// How long the URL is good, such as 30s, 15m, 2h; at most 7d
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = super::logs::back)]
    expires: Duration,
    /// For storing the file, not for reading it
    #[arg(long)]
    put: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct PublicArgs {
    /// The file, or a prefix that ends with a slash, or a whole bucket
    #[arg(value_name = "BUCKET/KEY")]
    at: String,
    /// Take it back
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    target: Target,
}

impl FilesArgs {
    /// Whether the answer is to be JSON.
    pub fn json(&self) -> bool {
        let target = match &self.verb {
            Verb::Create(args) => &args.target,
            Verb::Put(args) => &args.target,
            Verb::Get(args) => &args.target,
            Verb::Ls(args) => &args.target,
            Verb::Rm(args) => &args.target,
            Verb::Sync(args) => &args.target,
            Verb::Sign(args) => &args.target,
            Verb::Public(args) => &args.target,
        };
        target.json
    }
}

/// Runs the verb.
pub async fn run(args: FilesArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Create(args) => create(args).await,
        Verb::Put(args) => copy::put(args).await,
        Verb::Get(args) => copy::get(args).await,
        Verb::Ls(args) => list::ls(args).await,
        Verb::Rm(args) => list::rm(args).await,
        Verb::Sync(args) => sync::run(args).await,
        Verb::Sign(args) => share::sign(args).await,
        Verb::Public(args) => share::public(args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let name = Remote::parse(args.name.trim_end_matches('/'))?;
    if !name.key.is_empty() {
        return Err(Failure::usage(
            format!("{} is no bucket's name", args.name),
            "a bucket's name has no slash",
        )
        .next(format!("danbi files create {}", name.bucket)));
    }
    let platform = Platform::find(&args.target).await?;
    platform.create_bucket(&name.bucket).await?;
    output.document(&json!({"bucket": name.bucket}));
    output.line(format!("made the bucket {}", name.bucket));
    Ok(())
}
