//! `danbi invoke`: one event, one answer.

use super::Target;
use super::app;
use super::failure::Failure;
use super::platform::{LIVE, Platform};
use clap::Args;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

/// What `danbi invoke` is told.
#[derive(Debug, Clone, Args)]
pub struct InvokeArgs {
    /// The app [default: the one in this folder]
    pub name: Option<String>,
    /// The event, as JSON; `-` reads standard input
    #[arg(long, short, value_name = "JSON", conflicts_with_all = ["event_file", "path"])]
    pub event: Option<String>,
    /// A file that holds the event
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    pub event_file: Option<PathBuf>,
    /// Make an HTTP request of this path instead of giving an event
    #[arg(long, short, value_name = "PATH")]
    pub path: Option<String>,
    /// The request's method, with --path
    #[arg(long, short = 'X', default_value = "GET", requires = "path", value_name = "METHOD")]
    pub method: String,
    /// The request's body, with --path
    #[arg(long, requires = "path", value_name = "TEXT")]
    pub body: Option<String>,
    /// A version or alias
    #[arg(long, default_value = LIVE, value_name = "VERSION")]
    pub qualifier: String,
    /// Queue the event and do not wait
    #[arg(long)]
    pub later: bool,
    #[command(flatten)]
    pub target: Target,
}

/// Runs the verb. The answer goes to standard output, what the function printed to standard error.
pub async fn run(args: InvokeArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let event = event(&args)?;
    let name = app::name_or_here(args.name.as_deref())?;
    let platform = Platform::find(&args.target).await?;
    app::deployed(&platform, &name).await?;
    if args.later {
        let request_id = platform.invoke_later(&name, &args.qualifier, event.into()).await?;
        output.document(&json!({"requestId": request_id}));
        output.line(format!(
            "queued as {request_id}; `danbi logs {name} {request_id}` tells what comes of it"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let answer = platform.invoke(&name, &args.qualifier, event.into()).await?;
    let payload: Option<Value> = serde_json::from_slice(&answer.payload).ok();
    if output.is_json() {
        output.document(&json!({
            "payload": payload, "functionError": answer.function_error, "version": answer.version, "requestId": answer.request_id, "log": answer.log,
        }));
    } else {
        let mut err = std::io::stderr().lock();
        // The log is an extra; when standard error is gone the answer still counts.
        let _ = writeln!(err, "{}", answer.log.trim_end());
        match payload {
            Some(payload) => output.line(serde_json::to_string_pretty(&payload).unwrap_or_default()),
            None => output.line(String::from_utf8_lossy(&answer.payload)),
        }
    }
    match answer.function_error {
        Some(error) => Err(Failure::new(
            format!("{name} failed ({error})"),
            "the answer above is its error document",
        )
        .next(format!(
            "`danbi logs {name} {}` tells the request's story",
            answer.request_id
        ))),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn event(args: &InvokeArgs) -> Result<String, Failure> {
    if let Some(path) = &args.path {
        return Ok(http_event(&args.method, path, "danbi-invoke", args.body.as_deref()).to_string());
    }
    let text = match (&args.event, &args.event_file) {
        (Some(text), _) if text == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage("cannot read the event from standard input", error))?;
            text
        }
        (Some(text), _) => text.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read {}", file.display()), error))?,
        (None, None) => "{}".into(),
    };
    serde_json::from_str::<Value>(&text).map_err(|error| {
        Failure::usage("the event is not JSON", error).next("quote it for the shell: --event '{\"key\": \"value\"}'")
    })?;
    Ok(text)
}

/// An event as API Gateway's HTTP API (payload 2.0) and function URLs make it of a request.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>.
pub fn http_event(method: &str, path: &str, agent: &str, body: Option<&str>) -> Value {
    let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
    let raw_path = if raw_path.starts_with('/') {
        raw_path.to_owned()
    } else {
        format!("/{raw_path}")
    };
    let parameters: serde_json::Map<String, Value> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let host = "localhost";
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": {"host": host, "user-agent": agent, "accept": "*/*"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "danbi",
            "domainName": host,
            "domainPrefix": "danbi",
            "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": agent},
            "requestId": format!("{agent}-{now}"),
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": u64::try_from(now).unwrap_or_default(),
        },
        "isBase64Encoded": false,
    });
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    if let Some(body) = body {
        event["body"] = body.into();
        event["headers"]["content-length"] = body.len().to_string().into();
    }
    event
}
