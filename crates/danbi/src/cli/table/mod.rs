//! `danbi table`: DynamoDB tables and items from the command line, in plain JSON.

mod csv;
mod items;
mod plain;
mod tables;
mod transfer;

use super::Target;
use super::failure::Failure;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `danbi table` is told.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Items are plain JSON, such as {\"id\": \"a\", \"n\": 1}: no type tags.\n\
                  Everything speaks DynamoDB: the AWS CLI and boto3 see the same tables."
)]
pub struct TableArgs {
    /// What to do
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Make a table
    Create(CreateArgs),
    /// Show the tables
    Ls(LsArgs),
    /// Remove a table with all its items
    Drop(DropArgs),
    /// Store an item, in place of one with the same key
    Put(PutArgs),
    /// Print the item of a key
    Get(ItemArgs),
    /// Remove the item of a key
    Delete(ItemArgs),
    /// Print the items of one partition, in the order of their sort keys
    Query(QueryArgs),
    /// Print all items
    Scan(ScanArgs),
    /// Store the items of a CSV or JSON lines file
    Import(TransferArgs),
    /// Write all items to a CSV or JSON lines file
    Export(TransferArgs),
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    /// The table's name
    name: String,
    /// The partition key, as NAME, or NAME:N for numbers, NAME:B for bytes
    #[arg(long, default_value = "id", value_name = "NAME[:TYPE]")]
    key: String,
    /// The sort key
    #[arg(long, value_name = "NAME[:TYPE]")]
    sort: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct LsArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct DropArgs {
    /// The table
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct PutArgs {
    /// The table
    table: String,
    /// The item as JSON; - reads standard input
    item: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct ItemArgs {
    /// The table
    table: String,
    /// The value of the partition key
    #[arg(allow_negative_numbers = true)]
    key: String,
    /// The value of the sort key, if the table has one
    #[arg(allow_negative_numbers = true)]
    sort: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct QueryArgs {
    /// The table
    table: String,
    /// The value of the partition key
    #[arg(allow_negative_numbers = true)]
    key: String,
    /// A secondary index
    #[arg(long)]
    index: Option<String>,
    /// Only sort keys that begin so
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["from", "to"])]
    begins_with: Option<String>,
    /// Only sort keys from this one on
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    from: Option<String>,
    /// Only sort keys up to this one
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    to: Option<String>,
    /// From the last sort key to the first
    #[arg(long)]
    reverse: bool,
    /// At most so many items
    #[arg(long, short = 'n', value_name = "ITEMS")]
    limit: Option<usize>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct ScanArgs {
    /// The table
    table: String,
    /// A secondary index
    #[arg(long)]
    index: Option<String>,
    /// At most so many items
    #[arg(long, short = 'n', value_name = "ITEMS")]
    limit: Option<usize>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct TransferArgs {
    /// The table
    table: String,
    /// The file; - is standard input or output
    file: PathBuf,
    /// What the file holds [default: by its name, else JSON lines]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    target: Target,
}

/// What a file of items holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values under a line of names; an empty field is no attribute, JSON is JSON, the rest is text
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl TransferArgs {
    fn format(&self) -> Format {
        let is_csv = || {
            self.file
                .extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        };
        self.format
            .unwrap_or_else(|| if is_csv() { Format::Csv } else { Format::Jsonl })
    }

    fn is_standard(&self) -> bool {
        self.file.as_os_str() == "-"
    }
}

impl TableArgs {
    /// Whether the answer is JSON.
    pub fn json(&self) -> bool {
        match &self.verb {
            Verb::Create(args) => args.target.json,
            Verb::Ls(args) => args.target.json,
            Verb::Drop(args) => args.target.json,
            Verb::Put(args) => args.target.json,
            Verb::Get(args) | Verb::Delete(args) => args.target.json,
            Verb::Query(args) => args.target.json,
            Verb::Scan(args) => args.target.json,
            Verb::Import(args) | Verb::Export(args) => args.target.json,
        }
    }
}

/// Runs the verb.
pub async fn run(args: TableArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Create(args) => tables::create(args).await,
        Verb::Ls(args) => tables::ls(args).await,
        Verb::Drop(args) => tables::drop(args).await,
        Verb::Put(args) => items::put(args).await,
        Verb::Get(args) => items::get(args).await,
        Verb::Delete(args) => items::delete(args).await,
        Verb::Query(args) => items::query(args).await,
        Verb::Scan(args) => items::scan(args).await,
        Verb::Import(args) => transfer::import(args).await,
        Verb::Export(args) => transfer::export(args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
