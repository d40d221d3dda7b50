//! The build system's own verbs: `cargo xtask VERB …`. One module a verb; this file only picks it.

mod demo;
mod model;
mod setup;
mod step;
mod test;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match verb.as_str() {
        "demo" => demo::run(&rest),
        "model" => model::run(&rest).map_err(|error| error.to_string()),
        "test" => test::run_all(&rest),
        _ => Err("usage: cargo xtask demo [--release] | test [--no-rust] [--no-clients] | model [--from DIR]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask {verb}: {reason}");
            ExitCode::FAILURE
        }
    }
}
