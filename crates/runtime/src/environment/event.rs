use super::{Finished, Reply};
use crate::log::{EnvironmentLog, PlatformLine, Report, Status};
use crate::pool::Slot;
use crate::runtime_api::MAX_PAYLOAD;
use crate::{FunctionSpec, Invocation, StreamEnd, Usage};
use bytes::Bytes;
use danbi_sandbox::Exit;
use std::time::Instant;
use tokio::sync::oneshot;

/// How an event ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The function's answer; empty when it was streamed.
    Answered(Bytes),
    /// The function's own error: its document and type.
    Failed {
        error_type: Option<String>,
        document: Bytes,
    },
    /// The platform's verdict.
    Fault(Fault),
}

/// What the platform says when the function cannot.
#[derive(Debug)]
pub(super) struct Fault {
    error_type: &'static str,
    message: String,
    /// Whether the message names the request, as it does for all but the answer's own faults.
    names_request: bool,
}

impl Fault {
    pub(super) fn timed_out(spec: &FunctionSpec) -> Self {
        let message = format!("Task timed out after {:.2} seconds", spec.timeout.as_secs_f64());
        Self {
            error_type: "Sandbox.Timedout",
            message,
            names_request: true,
        }
    }

    /// The process is gone. `exit status 1`, `signal: killed`, or no reason at all, in Go's words, as on AWS.
    pub(super) fn exited(exit: &Exit) -> Self {
        let reason = match (exit.signal, exit.code) {
            (Some(signal), _) => format!("with error: signal: {}", signal_name(signal)),
            (None, Some(0) | None) => "without providing a reason".to_owned(),
            (None, Some(code)) => format!("with error: exit status {code}"),
        };
        if exit.oom_killed {
            let message = "Runtime exited with error: signal: killed".to_owned();
            return Self {
                error_type: "Runtime.OutOfMemory",
                message,
                names_request: true,
            };
        }
        Self {
            error_type: "Runtime.ExitError",
            message: format!("Runtime exited {reason}"),
            names_request: true,
        }
    }

    pub(super) fn entrypoint(reason: String) -> Self {
        Self {
            error_type: "Runtime.InvalidEntrypoint",
            message: reason,
            names_request: true,
        }
    }

    pub(super) fn too_large() -> Self {
        let message = format!("Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes).");
        Self {
            error_type: "Function.ResponseSizeTooLarge",
            message,
            names_request: false,
        }
    }

    pub(super) fn truncated() -> Self {
        let message = "Response is truncated: the connection to the Runtime API ended early".to_owned();
        Self {
            error_type: "Runtime.TruncatedResponse",
            message,
            names_request: true,
        }
    }

    pub(super) fn wrong_mode() -> Self {
        let message = "Invalid Lambda-Runtime-Function-Response-Mode header".to_owned();
        Self {
            error_type: "Runtime.InvalidResponseModeHeader",
            message,
            names_request: true,
        }
    }

    fn document(&self, request_id: &str) -> Bytes {
        let message = match self.names_request {
            true => format!("RequestId: {request_id} Error: {}", self.message),
            false => self.message.clone(),
        };
        serde_json::json!({ "errorType": self.error_type, "errorMessage": message })
            .to_string()
            .into()
    }

    fn status(&self) -> Status<'static> {
        if self.error_type == "Sandbox.Timedout" {
            Status::Timeout
        } else {
            Status::Error(self.error_type)
        }
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        other => return format!("signal {other}"),
    }
    .to_owned()
}

/// What an event that is its environment's first has to wait for, in milliseconds; nothing for a later one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beginning {
    pub(super) init_ms: Option<f64>,
    pub(super) restore_ms: Option<f64>,
    /// What an initialisation took that failed.
    pub(super) failed_ms: Option<f64>,
}

/// An event that an environment is working on.
pub(super) struct Active {
    pub(super) invocation: Invocation,
    pub(super) started: Instant,
    beginning: Beginning,
    queue_ms: f64,
    trace_id: String,
    reply: Option<oneshot::Sender<Reply>>,
    stream_end: Option<oneshot::Sender<StreamEnd>>,
    slot: Slot,
}

impl Active {
    /// Writes START; from here on the event's time counts.
    pub(super) fn start(
        invocation: Invocation,
        slot: Slot,
        reply: oneshot::Sender<Reply>,
        beginning: Beginning,
        spec: &FunctionSpec,
        log: &mut EnvironmentLog,
    ) -> Self {
        if invocation.log_tail {
            log.begin_tail(&invocation.request_id);
        }
        log.platform(&[PlatformLine::Start {
            request_id: &invocation.request_id,
            version: &spec.version,
        }]);
        let Beginning {
            init_ms,
            restore_ms,
            failed_ms,
        } = beginning;
        let starting: f64 = [init_ms, restore_ms, failed_ms].into_iter().flatten().sum();
        let queue_ms = (slot.waited().as_secs_f64() * 1000.0 - starting).max(0.0);
        let trace_id = invocation.trace_id.clone().map_or_else(
            || new_trace_id(spec.tracing_active),
            |given| completed(given, spec.tracing_active),
        );
        Self {
            invocation,
            started: Instant::now(),
            beginning,
            queue_ms,
            trace_id,
            reply: Some(reply),
            stream_end: None,
            slot,
        }
    }

    pub(super) fn is(&self, request_id: &str) -> bool {
        self.invocation.request_id == request_id
    }

    pub(super) fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Tells the caller that the answer comes in pieces.
    pub(super) fn stream(&mut self, streaming: super::Streaming, end: oneshot::Sender<StreamEnd>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has left does not stop the function.
            let _ = reply.send(Reply::Stream(streaming));
        }
        self.stream_end = Some(end);
    }

    /// The platform could not give it an environment after all.
    pub(super) fn give_up(self, error: crate::RuntimeError) {
        drop(self.slot);
        if let Some(reply) = self.reply {
            let _ = reply.send(Reply::Failed(error));
        }
    }

    /// Writes the end of the event's log and tells the caller.
    pub(super) fn finish(self, ending: Ending, max_memory_mib: u64, spec: &FunctionSpec, log: &mut EnvironmentLog) {
        let request_id = &self.invocation.request_id;
        let limit_ms = spec.timeout.as_secs_f64() * 1000.0;
        let elapsed_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let status = match &ending {
            Ending::Answered(_) => Status::Success,
            Ending::Failed { .. } => Status::Handled,
            Ending::Fault(fault) => fault.status(),
        };
        let duration_ms = if status == Status::Timeout {
            limit_ms
        } else {
            elapsed_ms
        };
        let Beginning {
            init_ms, restore_ms, ..
        } = self.beginning;
        let billed_ms = (duration_ms + init_ms.unwrap_or(0.0)).ceil().max(1.0) as u64;
        let usage = Usage {
            init_ms,
            restore_ms,
            queue_ms: self.queue_ms,
            duration_ms,
            billed_ms,
            max_memory_mib,
        };
        if let Ending::Fault(fault) = &ending
            && fault.names_request
        {
            let (error_type, message) = (fault.error_type, fault.message.as_str());
            log.platform(&[PlatformLine::Fault {
                request_id,
                error_type,
                message,
            }]);
        }
        let trace_id = spec.tracing_active.then_some(self.trace_id.as_str());
        let report = Report {
            request_id,
            usage: &usage,
            memory_mib: spec.memory_mib,
            status,
            trace_id,
        };
        log.platform(&[PlatformLine::End { request_id }, PlatformLine::Report(report)]);
        let log_tail = log.take_tail(request_id);
        let (payload, error) = match ending {
            Ending::Answered(payload) => (payload, None),
            Ending::Failed { error_type, document } => (document, Some(error_type.unwrap_or_default())),
            Ending::Fault(fault) => (fault.document(request_id), Some(fault.error_type.to_owned())),
        };
        // Given back first: a caller that asks again at once must not meet its own last event.
        drop(self.slot);
        // Nobody may be waiting any more; the function has run all the same.
        if let Some(reply) = self.reply {
            let _ = reply.send(Reply::Done(Finished {
                payload,
                error,
                log_tail,
                usage,
            }));
        } else if let Some(end) = self.stream_end {
            let error_details = error.is_some().then(|| String::from_utf8_lossy(&payload).into_owned());
            let _ = end.send(StreamEnd {
                error_code: error,
                error_details,
                log_tail,
                usage,
            });
        }
    }
}

/// A trace of its own for an event that brought none; `Sampled=1` only when the function records traces.
/// A header that only names a trace gets a segment and a decision: functions are given all three.
fn completed(mut header: String, sampled: bool) -> String {
    let has = |header: &str, name: &str| header.split(';').any(|part| part.trim().starts_with(name));
    if !has(&header, "Root=") {
        return new_trace_id(sampled);
    }
    if !has(&header, "Parent=") {
        let parent = uuid::Uuid::new_v4().simple().to_string();
        header = format!("{header};Parent={}", &parent[..16]);
    }
    if !has(&header, "Sampled=") {
        header = format!("{header};Sampled={}", u8::from(sampled));
    }
    header
}

fn new_trace_id(sampled: bool) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled={}",
        &id[..24],
        &parent[..16],
        u8::from(sampled)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_completed() {
        let made = completed("Root=1-5-a".into(), true);
        assert!(made.starts_with("Root=1-5-a;Parent="), "{made}");
        assert!(made.ends_with(";Sampled=1"), "{made}");
        let whole = "Root=1-5-a;Parent=b;Sampled=0";
        assert_eq!(completed(whole.into(), true), whole);
        assert!(completed("nonsense".into(), false).starts_with("Root=1-"));
    }

    fn exit(code: Option<i32>, signal: Option<i32>, oom_killed: bool) -> Fault {
        Fault::exited(&Exit {
            code,
            signal,
            oom_killed,
            memory_peak_bytes: None,
            cpu_time: None,
        })
    }

    fn document(fault: &Fault) -> serde_json::Value {
        serde_json::from_slice(&fault.document("id")).unwrap()
    }

    #[test]
    fn exits_are_worded_as_aws_words_them() {
        assert_eq!(
            document(&exit(Some(1), None, false)),
            serde_json::json!({
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: id Error: Runtime exited with error: exit status 1"
            })
        );
        assert_eq!(
            document(&exit(Some(0), None, false))["errorMessage"],
            "RequestId: id Error: Runtime exited without providing a reason"
        );
        assert_eq!(
            document(&exit(None, Some(11), false))["errorMessage"],
            "RequestId: id Error: Runtime exited with error: signal: segmentation fault"
        );
        let oom = exit(None, Some(9), true);
        assert_eq!(oom.error_type, "Runtime.OutOfMemory");
        assert_eq!(
            document(&oom)["errorMessage"],
            "RequestId: id Error: Runtime exited with error: signal: killed"
        );
    }

    #[test]
    fn an_oversized_answer_names_the_limit_and_not_the_request() {
        assert_eq!(
            document(&Fault::too_large()),
            serde_json::json!({
                "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
                "errorType": "Function.ResponseSizeTooLarge"
            })
        );
    }

    #[test]
    fn an_event_without_a_trace_gets_one() {
        let trace = new_trace_id(true);
        assert!(trace.starts_with("Root=1-") && trace.ends_with(";Sampled=1"), "{trace}");
        assert_eq!(
            trace.len(),
            "Root=1-".len() + 8 + 1 + 24 + ";Parent=".len() + 16 + ";Sampled=1".len()
        );
    }
}
