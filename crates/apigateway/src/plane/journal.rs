//! What happens to a call, line by line: for the execution log of the stage, and for test invocations.

use super::call::Call;
use super::compiled::{Compiled, CompiledMethod};
use super::failure::Failure;
use crate::ApiGateway;
use danbi_core::{LogEvent, LogStreamName, Scope, Timestamp};
use std::sync::{Mutex, PoisonError};

/// Lines that one call may have.
const MAX_LINES: usize = 200;

/// Collects the lines of one call.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Whether lines about what goes well are wanted.
    verbose: bool,
    lines: Mutex<Vec<String>>,
}

impl Journal {
    pub(crate) fn new(verbose: bool) -> Self {
        Self {
            verbose,
            lines: Mutex::default(),
        }
    }

    /// The journal for a method, by the stage's settings.
    pub(crate) fn of(compiled: &Compiled, method: Option<&CompiledMethod>) -> Self {
        let setting = method.and_then(|method| compiled.setting(method));
        Self::new(setting.is_some_and(|setting| setting.logging_level.as_deref() == Some("INFO")))
    }

    /// A line about what goes well; made only when somebody wants it.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            self.push(line());
        }
    }

    /// A line about what went wrong.
    pub(crate) fn failure(&self, line: String) {
        self.push(line);
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MAX_LINES {
            lines.push(line);
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes the call's lines to `API-Gateway-Execution-Logs_{api}/{stage}`, and the cause of a failure also where the
/// function logs, because that is where its developer looks.
pub(crate) fn write(
    gateway: &ApiGateway,
    compiled: &Compiled,
    call: &Call,
    method: Option<&CompiledMethod>,
    failure: Option<&Failure>,
    journal: &Journal,
) {
    let cause = failure.and_then(|failure| failure.cause.as_deref());
    if let Some(cause) = cause {
        journal.failure(cause.to_owned());
        journal.failure(format!(
            "Method completed with status: {}",
            failure.map_or(500, |failure| failure.status)
        ));
    }
    let lines = journal.take();
    if lines.is_empty() {
        return;
    }
    let now = gateway.now();
    let stream = LogStreamName {
        scope: compiled.scope.clone(),
        group: format!("API-Gateway-Execution-Logs_{}/{}", compiled.api_id, compiled.stage_name),
        stream: call.request_id.to_string().replace('-', ""),
    };
    let event = |line: String| LogEvent {
        timestamp: now,
        message: format!("({}) {line}", call.request_id),
    };
    gateway
        .parts
        .logs
        .write(&stream, lines.into_iter().map(event).collect());
    let function = method.and_then(|method| crate::integrations::function_of(method.integration.uri.as_deref()?));
    if let (Some(cause), Some(function)) = (cause, function) {
        tell_function(gateway, &compiled.scope, call, function, cause, now);
    }
}

fn tell_function(gateway: &ApiGateway, scope: &Scope, call: &Call, function: &str, cause: &str, now: Timestamp) {
    let Some((_, name)) = function.split_once(":function:") else {
        return;
    };
    let name = name.split(':').next().unwrap_or_default();
    if name.is_empty() || name.contains("${") {
        return;
    }
    let date = now.to_datetime().date();
    let stream = LogStreamName {
        scope: scope.clone(),
        group: format!("/aws/lambda/{name}"),
        stream: format!(
            "{:04}/{:02}/{:02}/[api-gateway]{}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            call.api_id
        ),
    };
    let message = format!(
        "API Gateway, RequestId: {} {} {}: {cause}",
        call.request_id, call.http_method, call.full_path
    );
    gateway.parts.logs.write(
        &stream,
        vec![LogEvent {
            timestamp: now,
            message,
        }],
    );
}
