use super::iso_millis;
use crate::{FunctionSpec, LogLevel, Usage};
use danbi_core::Timestamp;
use serde_json::{Value, json};

/// A shorter wait for an environment is not said: AWS's REPORT line knows none.
const WORTH_SAYING_MS: f64 = 1.0;

/// How an event or an initialisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status<'a> {
    Success,
    /// The function reported an error, or its process is gone: AWS's error type.
    Error(&'a str),
    /// The function's own error: AWS's REPORT line says nothing of it.
    Handled,
    Timeout,
}

/// The figures of a REPORT line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) usage: &'a Usage,
    pub(crate) memory_mib: u32,
    pub(crate) status: Status<'a>,
    /// The event's trace header, when traces are recorded.
    pub(crate) trace_id: Option<&'a str>,
}

/// A line that the platform writes into a function's log. Formats: AWS's documentation of the Telemetry API schema for
/// JSON, and recorded logs for text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlatformLine<'a> {
    InitStart {
        runtime_version: &'a str,
    },
    /// Written when an initialisation failed; AWS's text format is silent about one that went well.
    InitReport {
        init_ms: f64,
        phase: &'static str,
        status: Status<'a>,
    },
    /// An environment is made of a template, as SnapStart's are of a snapshot.
    RestoreStart {
        runtime_version: &'a str,
    },
    RestoreReport {
        restore_ms: f64,
    },
    Start {
        request_id: &'a str,
        version: &'a str,
    },
    /// The process is gone or overstayed: AWS's line between what the function printed and END.
    Fault {
        request_id: &'a str,
        error_type: &'a str,
        message: &'a str,
    },
    End {
        request_id: &'a str,
    },
    Report(Report<'a>),
}

impl PlatformLine<'_> {
    /// Whose line it is; `None` for the environment's own.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Start { request_id, .. } | Self::Fault { request_id, .. } | Self::End { request_id } => {
                Some(request_id)
            }
            Self::Report(report) => Some(report.request_id),
            Self::InitStart { .. }
            | Self::InitReport { .. }
            | Self::RestoreStart { .. }
            | Self::RestoreReport { .. } => None,
        }
    }

    /// The line for people; `None` when the text format has none.
    pub(super) fn text(&self, now: Timestamp) -> Option<String> {
        Some(match *self {
            Self::InitStart { runtime_version } => format!("INIT_START Runtime Version: {runtime_version}"),
            Self::InitReport { init_ms, phase, status } => format!(
                "INIT_REPORT Init Duration: {init_ms:.2} ms\tPhase: {phase}\t{}",
                status.text()
            )
            .trim_end()
            .to_owned(),
            Self::RestoreStart { runtime_version } => format!("RESTORE_START Runtime Version: {runtime_version}"),
            Self::RestoreReport { restore_ms } => format!("RESTORE_REPORT Restore Duration: {restore_ms:.2} ms"),
            Self::Start { request_id, version } => format!("START RequestId: {request_id} Version: {version}"),
            Self::Fault {
                request_id,
                error_type: "Sandbox.Timedout",
                message,
            } => {
                format!("{} {request_id} {message}\n", iso_millis(now))
            }
            Self::Fault {
                request_id,
                error_type,
                message,
            } => {
                format!("RequestId: {request_id} Error: {message}\n{error_type}")
            }
            Self::End { request_id } => format!("END RequestId: {request_id}"),
            Self::Report(report) => report.text(),
        })
    }

    /// The line as a JSON object; `None` when the system log level leaves it out.
    pub(super) fn json(&self, now: Timestamp, spec: &FunctionSpec) -> Option<String> {
        let (level, kind, record) = match *self {
            Self::InitStart { runtime_version } => (
                LogLevel::Info,
                "platform.initStart",
                json!({
                    "initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime_version,
                    "functionName": spec.name, "functionVersion": spec.version,
                    "instanceMaxMemory": u64::from(spec.memory_mib) * 1024 * 1024,
                }),
            ),
            Self::InitReport { init_ms, phase, status } => {
                let mut record = json!({
                    "initializationType": "on-demand", "phase": phase, "metrics": { "durationMs": rounded(init_ms) },
                });
                status.add_to(&mut record);
                (status.level(), "platform.initReport", record)
            }
            Self::RestoreStart { runtime_version } => (
                LogLevel::Info,
                "platform.restoreStart",
                json!({
                    "runtimeVersion": runtime_version, "functionName": spec.name, "functionVersion": spec.version,
                    "instanceMaxMemory": u64::from(spec.memory_mib) * 1024 * 1024,
                }),
            ),
            Self::RestoreReport { restore_ms } => (
                LogLevel::Info,
                "platform.restoreReport",
                json!({ "status": "success", "metrics": { "durationMs": rounded(restore_ms) } }),
            ),
            Self::Start { request_id, version } => (
                LogLevel::Info,
                "platform.start",
                json!({ "requestId": request_id, "version": version }),
            ),
            Self::Fault {
                request_id,
                error_type,
                message,
            } => (
                LogLevel::Error,
                "platform.fault",
                Value::String(format!("RequestId: {request_id} Error: {message}\n{error_type}\n")),
            ),
            Self::End { .. } => return None,
            Self::Report(report) => (report.status.level(), "platform.report", report.json()),
        };
        if spec.system_log_level.is_some_and(|least| level < least) {
            return None;
        }
        Some(json!({ "time": iso_millis(now), "type": kind, "record": record }).to_string())
    }
}

impl Status<'_> {
    fn text(self) -> String {
        match self {
            Self::Success | Self::Handled => String::new(),
            Self::Timeout => "Status: timeout".to_owned(),
            Self::Error(error_type) => format!("Status: error\tError Type: {error_type}"),
        }
    }

    fn level(self) -> LogLevel {
        if self == Self::Success {
            LogLevel::Info
        } else {
            LogLevel::Warn
        }
    }

    fn add_to(self, record: &mut Value) {
        match self {
            Self::Success => record["status"] = "success".into(),
            Self::Handled => record["status"] = "error".into(),
            Self::Timeout => record["status"] = "timeout".into(),
            Self::Error(error_type) => {
                record["status"] = "error".into();
                record["errorType"] = error_type.into();
            }
        }
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let Usage {
            init_ms,
            restore_ms,
            queue_ms,
            duration_ms,
            billed_ms,
            max_memory_mib,
        } = *self.usage;
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {duration_ms:.2} ms\tBilled Duration: {billed_ms} ms\tMemory Size: {} MB\t\
             Max Memory Used: {max_memory_mib} MB\t",
            self.request_id, self.memory_mib
        );
        // Writing into a String cannot fail.
        if let Some(init_ms) = init_ms {
            let _ = write!(line, "Init Duration: {init_ms:.2} ms\t");
        }
        if let Some(restore_ms) = restore_ms {
            // What AWS bills for a restore; here it is said, as all of them are, for comparison.
            let billed = restore_ms.ceil();
            let _ = write!(
                line,
                "Restore Duration: {restore_ms:.2} ms\tBilled Restore Duration: {billed:.0} ms\t"
            );
        }
        if queue_ms >= WORTH_SAYING_MS {
            let _ = write!(line, "Queue Duration: {queue_ms:.2} ms\t");
        }
        line.push_str(&self.status.text());
        if let Some(trace) = self.trace_id.and_then(Trace::parse) {
            let Trace { root, segment, sampled } = trace;
            let _ = write!(
                line,
                "\nXRAY TraceId: {root}\tSegmentId: {segment}\tSampled: {sampled}\t"
            );
        }
        line
    }

    fn json(&self) -> Value {
        let usage = self.usage;
        let mut metrics = json!({
            "durationMs": rounded(usage.duration_ms),
            "billedDurationMs": usage.billed_ms,
            "memorySizeMB": self.memory_mib,
            "maxMemoryUsedMB": usage.max_memory_mib,
        });
        if let Some(init_ms) = usage.init_ms {
            metrics["initDurationMs"] = rounded(init_ms).into();
        }
        if let Some(restore_ms) = usage.restore_ms {
            metrics["restoreDurationMs"] = rounded(restore_ms).into();
            metrics["billedRestoreDurationMs"] = (restore_ms.ceil() as u64).into();
        }
        if usage.queue_ms >= WORTH_SAYING_MS {
            metrics["queueDurationMs"] = rounded(usage.queue_ms).into();
        }
        let mut record = json!({ "requestId": self.request_id, "metrics": metrics });
        self.status.add_to(&mut record);
        if let Some(trace_id) = self.trace_id {
            record["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": trace_id });
        }
        record
    }
}

struct Trace<'a> {
    root: &'a str,
    segment: &'a str,
    sampled: bool,
}

impl<'a> Trace<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let part = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name));
        Some(Self {
            root: part("Root=")?,
            segment: part("Parent=").unwrap_or_default(),
            sampled: part("Sampled=") == Some("1"),
        })
    }
}

fn rounded(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        init_ms: Some(110.1),
        restore_ms: None,
        queue_ms: 0.2,
        duration_ms: 3.012,
        billed_ms: 114,
        max_memory_mib: 36,
    };

    fn text(line: PlatformLine<'_>) -> String {
        line.text(Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn text_lines_are_those_of_recorded_logs() {
        assert_eq!(
            text(PlatformLine::Start {
                request_id: "id",
                version: "$LATEST"
            }),
            "START RequestId: id Version: $LATEST"
        );
        assert_eq!(text(PlatformLine::End { request_id: "id" }), "END RequestId: id");
        let report = Report {
            request_id: "id",
            usage: &USAGE,
            memory_mib: 128,
            status: Status::Success,
            trace_id: None,
        };
        assert_eq!(
            text(PlatformLine::Report(report)),
            "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\
             Init Duration: 110.10 ms\t"
        );
        let queued = Usage {
            queue_ms: 12.5,
            ..USAGE
        };
        let waited = Report {
            usage: &queued,
            ..report
        };
        assert!(
            text(PlatformLine::Report(waited)).ends_with("\tInit Duration: 110.10 ms\tQueue Duration: 12.50 ms\t"),
            "said when it is worth saying"
        );
        let restored = Usage {
            init_ms: None,
            restore_ms: Some(4.25),
            ..USAGE
        };
        let report = Report {
            usage: &restored,
            ..report
        };
        assert!(
            text(PlatformLine::Report(report))
                .ends_with("Max Memory Used: 36 MB\tRestore Duration: 4.25 ms\tBilled Restore Duration: 5 ms\t")
        );
        let report = Report {
            status: Status::Error("Runtime.ExitError"),
            ..report
        };
        assert!(text(PlatformLine::Report(report)).ends_with("\tStatus: error\tError Type: Runtime.ExitError"));
    }

    #[test]
    fn a_traced_report_says_where_the_trace_is() {
        let trace_id = Some("Root=1-5-a;Parent=b;Sampled=1");
        let report = Report {
            request_id: "id",
            usage: &USAGE,
            memory_mib: 128,
            status: Status::Timeout,
            trace_id,
        };
        let line = text(PlatformLine::Report(report));
        assert!(
            line.ends_with("Status: timeout\nXRAY TraceId: 1-5-a\tSegmentId: b\tSampled: true\t"),
            "{line}"
        );
    }

    #[test]
    fn a_time_out_is_worded_as_aws_words_it() {
        let message = "Task timed out after 3.00 seconds";
        let line = text(PlatformLine::Fault {
            request_id: "id",
            error_type: "Sandbox.Timedout",
            message,
        });
        assert_eq!(line, "1970-01-01T00:00:00.000Z id Task timed out after 3.00 seconds\n");
    }
}
