//! The load of `bench/dynamodb/run.py`: requests that were signed beforehand, over connections that are kept.
//!
//! `bench-dynamodb rate OPERATION --port N [--clients 64] [--seconds 4] …` sends one kind of request from each client,
//! one behind the other, and prints a line of JSON: how many were answered, how long that took, and how much of a
//! processor this client needed itself, so that nobody takes the client's speed for the server's.
//! `fill` writes a table, `scan` reads one from its first page to its last, `order` reads single items in random order.

mod connection;
mod load;
mod requests;

use connection::Address;
use load::{Outcome, Plan};
use requests::{Kind, Signing};
use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments: a verb, its object, and options that all have a value.
struct Arguments {
    verb: String,
    object: String,
    options: HashMap<String, String>,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> Option<Self> {
        let (verb, object) = (given.next()?, given.next()?);
        let mut options = HashMap::new();
        while let Some(name) = given.next() {
            options.insert(name.strip_prefix("--")?.to_owned(), given.next()?);
        }
        Some(Self { verb, object, options })
    }

    fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.options
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    }

    fn text(&self, name: &str, otherwise: &str) -> String {
        self.options.get(name).cloned().unwrap_or_else(|| otherwise.to_owned())
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read(std::env::args().skip(1)) else {
        eprintln!(
            "bench-dynamodb rate|fill|scan|order OBJECT --port N [--clients N] [--seconds N] [--patience N] [--items N] \
             [--bytes N]"
        );
        return ExitCode::from(2);
    };
    // One thread: what it leaves of the machine is the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match done {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("bench-dynamodb: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<serde_json::Value, String> {
    let port = u16::try_from(arguments.number("port", 0)).map_err(|_| "--port is none".to_owned())?;
    let signing = Signing::new(&arguments.text("key", "test"), &arguments.text("secret", "test"), port);
    let plan = Plan {
        address: Address { port },
        clients: arguments.number("clients", 64) as usize,
        duration: Duration::from_secs(arguments.number("seconds", 4)),
        patience: Duration::from_secs(arguments.number("patience", 10)),
    };
    let (items, bytes) = (arguments.number("items", 5120), arguments.number("bytes", 300));
    match arguments.verb.as_str() {
        "rate" => {
            let kind = Kind::parse(&arguments.object).ok_or("no such operation")?;
            let requests = requests::of(&signing, kind, &plan, bytes as usize)?;
            load::rate(&plan, &requests).await.map(Outcome::report)
        }
        "fill" => {
            let what = [arguments.number("from", 0), items, bytes];
            load::fill(&plan, &signing, &arguments.object, what).await
        }
        "order" => {
            let requests = requests::random_gets(&signing, &arguments.object, items, 20_000)?;
            load::rate(&plan, &requests).await.map(Outcome::report)
        }
        "scan" => load::scan(&plan, &signing, &arguments.object).await,
        other => Err(format!("no such verb: {other}")),
    }
}
