//! The `danbi` binary: `danbi serve` is the platform, every other verb is a client of it.

mod authority;
mod cli;
mod data_folder;
mod delays;
mod eventing;
mod gateway;
mod platform;
mod serve;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox launcher is this binary started once more; it must come before anything that makes threads.
    danbi_sandbox::run_launcher_if_asked();
    cli::run(cli::Cli::parse(), serve::serve)
}
