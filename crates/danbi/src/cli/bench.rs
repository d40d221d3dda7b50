//! `danbi bench cold`: what a caller of an app waits for when no environment runs, when one is made ready ahead, and when
//! one is warm.

use super::Target;
use super::app;
use super::failure::Failure;
use super::invoke::http_event;
use super::output::Output;
use super::platform::{LIVE, Platform};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a template may take to be there after the first event.
const TEMPLATE_LIMIT: Duration = Duration::from_secs(15);
/// How often is looked whether it is there.
const LOOK: Duration = Duration::from_millis(200);
/// Between two fresh environments, so that what is prepared ahead is, as it is between the requests of real visitors.
const PAUSE: Duration = Duration::from_millis(100);
/// Columns of the chart.
const COLUMNS: usize = 36;
/// From nothing to much.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What `danbi bench` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Cold, restored and warm latency of an app's handler
    Cold(ColdArgs),
}

impl BenchArgs {
    /// Whether one JSON document is wanted.
    pub fn json(&self) -> bool {
        let What::Cold(args) = &self.what;
        args.target.json
    }
}

#[derive(Debug, Clone, Args)]
struct ColdArgs {
    /// The app [default: the one in this folder]
    name: Option<String>,
    /// Environments made anew, and as many warm requests for each
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
    samples: u16,
    /// The event, as JSON [default: a request of /]
    #[arg(long, short, value_name = "JSON")]
    event: Option<String>,
    /// A version or alias
    #[arg(long, default_value = LIVE, value_name = "VERSION")]
    qualifier: String,
    #[command(flatten)]
    target: Target,
}

/// Runs the verb.
pub async fn run(args: BenchArgs) -> Result<ExitCode, Failure> {
    let What::Cold(args) = args.what;
    let output = args.target.output();
    let event = match &args.event {
        Some(event) => {
            serde_json::from_str::<Value>(event).map_err(|error| Failure::usage("the event is not JSON", error))?;
            event.clone()
        }
        None => http_event("GET", "/", "danbi-bench", None).to_string(),
    };
    let name = app::name_or_here(args.name.as_deref())?;
    let platform = Platform::find(&args.target).await?;
    let function = app::deployed(&platform, &name).await?;
    if function.environment.variables.contains_key("DANBI_HTTP_COMMAND") {
        return Err(Failure::new(
            format!("{name} is an HTTP-server app"),
            "its one environment serves all requests, so there is nothing cold to measure but its own start",
        )
        .next("`danbi logs` shows how long the app took to listen"));
    }
    let bench = Bench {
        platform: &platform,
        output: &output,
        name: &name,
        qualifier: &args.qualifier,
        event,
        samples: usize::from(args.samples),
    };
    let rows = bench.measure().await?;
    show(&output, &name, &rows);
    Ok(ExitCode::SUCCESS)
}

/// How an environment began, by what its log says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    /// From the request to its answer, as the caller sees it, in milliseconds.
    ms: f64,
    init_ms: Option<f64>,
    restore_ms: Option<f64>,
}

struct Row {
    what: &'static str,
    meaning: String,
    samples: Vec<Sample>,
}

struct Bench<'a> {
    platform: &'a Platform,
    output: &'a Output,
    name: &'a str,
    qualifier: &'a str,
    event: String,
    samples: usize,
}

impl Bench<'_> {
    async fn measure(&self) -> Result<Vec<Row>, Failure> {
        self.output.step("warm requests");
        // The first one finds or makes an environment, and with it what is made ahead.
        self.once(None).await?;
        let mut warm = Vec::new();
        for _ in 0..self.samples {
            warm.push(self.once(None).await?);
        }
        let beside = warm
            .iter()
            .filter(|sample| sample.init_ms.is_some() || sample.restore_ms.is_some());
        if beside.count() > 0 {
            self.output
                .warn("somebody else called the app meanwhile: some warm requests met a new environment");
        }
        self.output.step("environments made ready ahead");
        self.await_template().await?;
        let fresh = self.many("fresh").await?;
        self.output.step("environments made from nothing");
        let cold = self.many("new").await?;
        let restored = fresh.iter().filter(|sample| sample.restore_ms.is_some()).count();
        let meaning = match restored {
            0 => "a new environment, by a waiting process or a process of its own: this version has no template"
                .to_owned(),
            all if all == fresh.len() => "a new environment, a fork of the version's template".to_owned(),
            some => format!(
                "a new environment, {some} of {} a fork of the version's template",
                fresh.len()
            ),
        };
        Ok(vec![
            Row {
                what: "cold",
                meaning: "a new environment, a process started from nothing".into(),
                samples: cold,
            },
            Row {
                what: if restored > 0 { "restored" } else { "fresh" },
                meaning,
                samples: fresh,
            },
            Row {
                what: "warm",
                meaning: "an environment that has served before".into(),
                samples: warm,
            },
        ])
    }

    /// Gives the platform time to make a template beside the first environment. Some versions never get one.
    async fn await_template(&self) -> Result<(), Failure> {
        let began = Instant::now();
        let first = self.once(Some("new")).await?;
        // Below this the platform makes none: starting anew is as quick.
        const WORTH_IT_MS: f64 = 40.0;
        if first.init_ms.is_none_or(|init| init < WORTH_IT_MS) {
            return Ok(());
        }
        while began.elapsed() < TEMPLATE_LIMIT && self.once(Some("fresh")).await?.restore_ms.is_none() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn many(&self, environment: &str) -> Result<Vec<Sample>, Failure> {
        let mut samples = Vec::new();
        for _ in 0..self.samples {
            tokio::time::sleep(PAUSE).await;
            samples.push(self.once(Some(environment)).await?);
        }
        Ok(samples)
    }

    async fn once(&self, environment: Option<&str>) -> Result<Sample, Failure> {
        let event = self.event.clone().into();
        let began = Instant::now();
        let answer = self
            .platform
            .invoke_in(self.name, self.qualifier, event, environment)
            .await?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        if let Some(error) = answer.function_error {
            return Err(Failure::new(
                format!("{} failed ({error})", self.name),
                String::from_utf8_lossy(&answer.payload),
            )
            .next("give it an event that it understands: --event '{…}'"));
        }
        Ok(Sample {
            ms,
            init_ms: duration(&answer.log, "Init Duration: "),
            restore_ms: duration(&answer.log, "Restore Duration: "),
        })
    }
}

/// The milliseconds behind a name in the REPORT line.
fn duration(log: &str, name: &str) -> Option<f64> {
    let report = log
        .lines()
        .rev()
        .find(|line| line.starts_with("REPORT ") || line.contains("platform.report"))?;
    if let Some((_, rest)) = report.split_once(name) {
        return rest.split_whitespace().next()?.parse().ok();
    }
    // A function that logs JSON.
    let document: Value = serde_json::from_str(report).ok()?;
    let key = match name {
        "Init Duration: " => "initDurationMs",
        _ => "restoreDurationMs",
    };
    document["record"]["metrics"][key].as_f64()
}

/// The value that `share` of all are not above; `sorted` is not empty.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let at = (share * last as f64).round() as usize;
    sorted[at.min(last)]
}

fn show(output: &Output, name: &str, rows: &[Row]) {
    let sorted: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let mut all: Vec<f64> = row.samples.iter().map(|sample| sample.ms).collect();
            all.sort_by(f64::total_cmp);
            all
        })
        .collect();
    let least = sorted.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let most = sorted.iter().flatten().copied().fold(0.0, f64::max);
    output.line(format!(
        "{name}: milliseconds from the request to its answer, as its caller sees them\n"
    ));
    output.line(format!(
        "{:<9} {:>9} {:>9} {:>9} {:>9}   {} to {}",
        "",
        "p50",
        "p90",
        "p99",
        "most",
        brief(least),
        brief(most)
    ));
    for (row, all) in rows.iter().zip(&sorted) {
        output.line(format!(
            "{:<9} {:>9.2} {:>9.2} {:>9.2} {:>9.2}   {}",
            row.what,
            percentile(all, 0.5),
            percentile(all, 0.9),
            percentile(all, 0.99),
            percentile(all, 1.0),
            chart(all, least, most)
        ));
    }
    output.line("");
    for row in rows {
        output.line(format!("{:<9} {}, {} times", row.what, row.meaning, row.samples.len()));
    }
    let document: serde_json::Map<String, Value> = rows
        .iter()
        .zip(&sorted)
        .map(|(row, all)| {
            let samples: Vec<Value> = row
                .samples
                .iter()
                .map(|sample| json!({"ms": sample.ms, "initMs": sample.init_ms, "restoreMs": sample.restore_ms}))
                .collect();
            let figures = json!({
                "meaning": row.meaning, "p50": percentile(all, 0.5), "p90": percentile(all, 0.9), "p99": percentile(all, 0.99),
                "max": percentile(all, 1.0), "samples": samples,
            });
            (row.what.to_owned(), figures)
        })
        .collect();
    output.document(&json!({"name": name, "latency": document}));
}

fn brief(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// How the values lie between `least` and `most`, on a logarithmic scale, for cold and warm differ a hundredfold.
fn chart(values: &[f64], least: f64, most: f64) -> String {
    let (low, high) = (least.max(0.001).ln(), most.max(0.001).ln());
    let span = (high - low).max(f64::EPSILON);
    let mut counts = [0_usize; COLUMNS];
    for value in values {
        let at = (value.max(0.001).ln() - low) / span * (COLUMNS - 1) as f64;
        counts[(at.round().max(0.0) as usize).min(COLUMNS - 1)] += 1;
    }
    let top = counts.iter().copied().max().unwrap_or(0).max(1);
    counts
        .iter()
        .map(|count| LEVELS[(count * (LEVELS.len() - 1)).div_ceil(top)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_from_both_formats_of_the_report() {
        let text =
            "START x\nREPORT RequestId: x\tDuration: 1.20 ms\tBilled Duration: 2 ms\tInit Duration: 45.67 ms\t\n";
        assert_eq!(duration(text, "Init Duration: "), Some(45.67));
        assert_eq!(duration(text, "Restore Duration: "), None);
        let json = r#"{"type":"platform.report","record":{"metrics":{"durationMs":1,"restoreDurationMs":3.5}}}"#;
        assert_eq!(duration(json, "Restore Duration: "), Some(3.5));
        assert_eq!(duration("", "Init Duration: "), None);
    }

    #[test]
    fn a_chart_shows_where_the_values_lie() {
        let drawn: Vec<char> = chart(&[1.0, 1.0, 100.0], 1.0, 100.0).chars().collect();
        assert_eq!(drawn.len(), COLUMNS);
        assert_eq!((drawn[0], drawn[COLUMNS / 2], drawn[COLUMNS - 1]), ('█', ' ', '▄'));
        assert_eq!(chart(&[5.0], 5.0, 5.0).trim_end(), "█");
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 0.5), 2.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
    }
}
