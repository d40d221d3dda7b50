//! P7: durable commits with many writers, against an engine that persists once per commit.
//!
//! `cargo run --release -p bench-store [-- --writers 64 --seconds 2 --rounds 5 --dir DIR --json FILE]`
//!
//! Every contestant puts one 100-byte value under a random 16-byte key per commit, from 64 writers that each wait for
//! their commit to be on disk. Rounds alternate between the contestants on fresh folders of the same disk; a figure is
//! the median of its rounds. Fsync times of virtual disks say little, so only ratios count.

mod contestants;
mod open;

use std::path::PathBuf;
use std::time::Duration;

use contestants::Contestant;

struct Options {
    writers: usize,
    duration: Duration,
    rounds: usize,
    dir: PathBuf,
    json: Option<PathBuf>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("open") {
        return open::measure(arguments);
    }
    let options = parse(first.into_iter().chain(arguments));
    let contestants = contestants::all();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contestants.len()];
    for round in 0..options.rounds {
        for (contestant, rates) in contestants.iter().zip(&mut rates) {
            let rate = run(contestant, &options);
            eprintln!("round {} {:<28} {:>9.0} commits/s", round + 1, contestant.name, rate);
            rates.push(rate);
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    let slowest_peer = contestants
        .iter()
        .zip(&medians)
        .filter(|(c, _)| c.peer)
        .map(|(_, &rate)| rate)
        .fold(f64::INFINITY, f64::min);
    let fastest_peer = contestants
        .iter()
        .zip(&medians)
        .filter(|(c, _)| c.peer)
        .map(|(_, &rate)| rate)
        .fold(0.0, f64::max);
    println!(
        "{} writers, 100-byte values, median of {} rounds of {:?}",
        options.writers, options.rounds, options.duration
    );
    println!(
        "{:<28} {:>11} {:>12} {:>12}  durability",
        "engine", "commits/s", "x best peer", "x worst peer"
    );
    for (contestant, rate) in contestants.iter().zip(&medians) {
        let (best, worst) = (rate / fastest_peer, rate / slowest_peer);
        println!(
            "{:<28} {rate:>11.0} {best:>12.1} {worst:>12.1}  {}",
            contestant.name, contestant.durability
        );
    }
    if let Some(path) = &options.json {
        let rows = contestants.iter().zip(&rates).zip(&medians);
        let rows: Vec<_> = rows
            .map(|((contestant, rates), median)| {
                serde_json::json!({
                    "engine": contestant.name, "durability": contestant.durability, "peer": contestant.peer,
                    "commits_per_second": median, "rounds": rates, "times_best_peer": median / fastest_peer,
                })
            })
            .collect();
        let report = serde_json::json!({
            "benchmark": "P7", "writers": options.writers, "value_bytes": 100,
            "seconds": options.duration.as_secs_f64(), "engines": rows,
        });
        if let Err(error) = std::fs::write(path, format!("{report:#}\n")) {
            eprintln!("cannot write {}: {error}", path.display());
            std::process::exit(1);
        }
    }
}

fn run(contestant: &Contestant, options: &Options) -> f64 {
    let dir = match tempfile::tempdir_in(&options.dir) {
        Ok(dir) => dir,
        Err(error) => {
            eprintln!("cannot make a folder in {}: {error}", options.dir.display());
            std::process::exit(1);
        }
    };
    (contestant.run)(dir.path(), options.writers, options.duration)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        writers: 64,
        duration: Duration::from_secs(2),
        rounds: 5,
        dir: std::env::temp_dir(),
        json: None,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.parse().unwrap_or_else(|_| usage());
        match name.as_str() {
            "--writers" => options.writers = number(),
            "--seconds" => options.duration = Duration::from_secs(number() as u64),
            "--rounds" => options.rounds = number(),
            "--dir" => options.dir = value.into(),
            "--json" => options.json = Some(value.into()),
            _ => usage(),
        }
    }
    options
}

fn usage() -> ! {
    eprintln!("usage: bench-store [--writers N] [--seconds N] [--rounds N] [--dir DIR] [--json FILE]");
    eprintln!("       bench-store open danbi|fjall|redb DIR [KEYS]   time to open and memory, after KEYS writes");
    std::process::exit(2)
}
