//! `danbi logs`: what an app prints, live if wanted, or the story of one request.

use super::Target;
use super::app;
use super::failure::Failure;
use super::output::Output;
use super::platform::{LogQuery, LogRecord, Platform};
use clap::Args;
use danbi_core::{Clock, SystemClock, Timestamp};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

/// How often new lines are asked for.
const FOLLOW_PAUSE: Duration = Duration::from_millis(300);
/// A line may become visible this much after its time stamp; followers look back so far, in milliseconds.
const LATE: i64 = 5_000;
/// Ids of lines already shown that are remembered while following.
const REMEMBERED: usize = 20_000;
/// Length of a request id.
const REQUEST_ID: usize = 36;

/// What `danbi logs` is told.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// The app or any other function [default: the app in this folder], or a request id
    pub name: Option<String>,
    /// Only this request, from its first line to its last
    pub request_id: Option<String>,
    /// Go on with new lines until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// How far back, such as 30s, 10m, 3h, 7d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = back)]
    pub since: Duration,
    /// At most so many lines, the newest
    #[arg(long, short = 'n', default_value_t = 1000, value_name = "LINES")]
    pub lines: usize,
    /// A CloudWatch Logs filter pattern, such as ERROR or { $.level = "error" }
    #[arg(long, default_value = "", value_name = "PATTERN", hide_default_value = true)]
    pub filter: String,
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb.
pub async fn run(args: LogsArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let (name, request_id) = match (&args.name, &args.request_id) {
        (Some(only), None) if is_request_id(only) => (app::name_or_here(None)?, Some(only.clone())),
        (Some(name), request_id) => (name.clone(), request_id.clone()),
        (None, request_id) => (app::name_or_here(None)?, request_id.clone()),
    };
    let platform = Platform::find(&args.target).await?;
    app::exists(&platform, &name).await?;
    let group = app::log_group(&name);
    let from = SystemClock
        .now()
        .plus_millis(-i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX))
        .as_millis();
    if let Some(request_id) = request_id {
        return story(&platform, &group, &request_id, from, &output).await;
    }
    let query = LogQuery {
        group: &group,
        pattern: &args.filter,
        from: Some(from),
        ..LogQuery::default()
    };
    let lines = platform.log_lines(&query).await?;
    let newest = &lines[lines.len().saturating_sub(args.lines)..];
    newest.iter().for_each(|line| show(line, &output));
    if args.follow {
        return tokio::select! {
            outcome = follow(&platform, &query, newest, &output) => outcome,
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
        };
    }
    if newest.is_empty() {
        output.warn(format!(
            "{name} has printed nothing in this time; --since looks further back"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows new lines as they come, for ever. `shown` are not shown again.
pub async fn follow(
    platform: &Platform,
    query: &LogQuery<'_>,
    shown: &[LogRecord],
    output: &Output,
) -> Result<ExitCode, Failure> {
    let mut seen: VecDeque<String> = shown
        .iter()
        .rev()
        .take(REMEMBERED)
        .map(|line| line.event_id.clone())
        .collect();
    let mut newest = shown
        .last()
        .map_or(query.from.unwrap_or_default(), |line| line.timestamp);
    loop {
        tokio::time::sleep(FOLLOW_PAUSE).await;
        let from = (newest - LATE).max(query.from.unwrap_or_default());
        let lines = platform
            .log_lines(&LogQuery {
                from: Some(from),
                ..query.clone()
            })
            .await?;
        for line in lines.iter().filter(|line| line.timestamp >= from) {
            if seen.contains(&line.event_id) {
                continue;
            }
            show(line, output);
            newest = newest.max(line.timestamp);
            seen.push_back(line.event_id.clone());
            if seen.len() > REMEMBERED {
                seen.pop_front();
            }
        }
    }
}

/// The lines that name the request tell its streams and its time; in each of them everything from the first to the last
/// of these lines belongs to it, because a stream's environment serves one event at a time.
async fn story(
    platform: &Platform,
    group: &str,
    request_id: &str,
    from: i64,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let pattern = format!("\"{request_id}\"");
    let named = platform
        .log_lines(&LogQuery {
            group,
            pattern: &pattern,
            from: Some(from),
            ..LogQuery::default()
        })
        .await?;
    let (Some(first), Some(last)) = (named.first(), named.last()) else {
        return Err(Failure::new(
            format!("no line tells of request {request_id}"),
            format!("{group} has none in this time"),
        )
        .next("check the id and the app's name, or look further back with --since"));
    };
    let mut streams: Vec<String> = named.iter().map(|line| line.log_stream_name.clone()).collect();
    streams.sort_unstable();
    streams.dedup();
    let mut lines = Vec::new();
    for stream in streams {
        let query = LogQuery {
            group,
            streams: vec![stream],
            pattern: "",
            from: Some(first.timestamp),
            until: Some(last.timestamp + 1),
        };
        let mut told = platform.log_lines(&query).await?;
        let names = |line: &LogRecord| line.message.contains(request_id);
        if let (Some(begins), Some(ends)) = (told.iter().position(names), told.iter().rposition(names)) {
            lines.extend(told.drain(begins..=ends));
        }
    }
    lines.sort_by_key(|line| line.timestamp);
    lines.iter().for_each(|line| show(line, output));
    Ok(ExitCode::SUCCESS)
}

fn show(line: &LogRecord, output: &Output) {
    let at = Timestamp::from_millis(line.timestamp).to_datetime();
    let time = format!(
        "{:02}:{:02}:{:02}.{:03}",
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    );
    output.event(line, format!("{time} {}", line.message.trim_end()));
}

fn is_request_id(text: &str) -> bool {
    text.len() == REQUEST_ID
        && text.bytes().enumerate().all(|(at, byte)| {
            if [8, 13, 18, 23].contains(&at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// Reads `90s`, `10m`, `3h`, `7d`.
pub(super) fn back(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write a number and s, m, h or d, such as 10m");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number
        .checked_mul(seconds)
        .filter(|seconds| *seconds <= 100 * 365 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_told_from_an_app() {
        assert!(is_request_id("6f1f0b4e-8a53-4c5f-9d0d-0a1b2c3d4e5f"));
        assert!(!is_request_id("guestbook"));
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(back("10m"), Ok(Duration::from_secs(600)));
        assert!(
            back("10").is_err() && back("m").is_err() && back("").is_err() && back("99999999999999999999d").is_err()
        );
    }
}
