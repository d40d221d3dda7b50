use danbi_core::{Arn, Scope};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How the platform and the language bootstraps write log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines for people: `START RequestId: …`.
    #[default]
    Text,
    /// One JSON object a line: `{"time":…,"type":"platform.start",…}`.
    Json,
}

/// The least severe lines that are kept. Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// `DEBUG` and above.
    Debug,
    /// `INFO` and above.
    Info,
    /// `WARN` and above.
    Warn,
    /// `ERROR` and above.
    Error,
    /// `FATAL` alone.
    Fatal,
}

impl LogLevel {
    /// The name as `AWS_LAMBDA_LOG_LEVEL` carries it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// Text that is not one of `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log level")]
pub struct LogLevelError(String);

impl FromStr for LogLevel {
    type Err = LogLevelError;
    fn from_str(text: &str) -> Result<Self, LogLevelError> {
        Ok(match text {
            "TRACE" => Self::Trace,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" => Self::Fatal,
            other => return Err(LogLevelError(other.chars().take(32).collect())),
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One published version (or `$LATEST`) of a function, as an execution environment needs to know it.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Qualified with the version that runs: `arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION`.
    pub function_arn: Arn,
    /// The function's name.
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Changes whenever an environment must not be reused (code, configuration): the key of warm reuse.
    pub revision: String,
    /// Account and region.
    pub scope: Scope,
    /// Such as `python3.13`, `nodejs22.x`, `provided.al2023`.
    pub runtime: String,
    /// Such as `app.handler`; `provided*` hands it to the bootstrap in `_HANDLER`.
    pub handler: String,
    /// The unpacked deployment package on this host, seen as `/var/task`, read-only.
    pub code_dir: PathBuf,
    /// The merged layers on this host, seen as `/opt`, read-only.
    pub layers_dir: Option<PathBuf>,
    /// The function's own variables; reserved names in it are ignored.
    pub environment: BTreeMap<String, String>,
    /// The role whose credentials the function runs with.
    pub role: Arn,
    /// Memory limit in MiB, 128 to 10,240.
    pub memory_mib: u32,
    /// Time limit of one event, 1 to 900 s.
    pub timeout: Duration,
    /// Size of `/tmp` in MiB, 512 to 10,240.
    pub ephemeral_storage_mib: u32,
    /// The log group that it writes to.
    pub log_group: String,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// For [`LogFormat::Json`]: least level of the function's own lines; `None` keeps all.
    pub application_log_level: Option<LogLevel>,
    /// For [`LogFormat::Json`]: least level of the platform's lines; `None` keeps all.
    pub system_log_level: Option<LogLevel>,
    /// Whether traces are recorded (`TracingConfig.Mode = Active`).
    pub tracing_active: bool,
    /// Reserved concurrency of the function (all versions together), when it has one.
    pub max_concurrency: Option<u32>,
}

/// The variable that says how many events an environment is given at once.
pub(crate) const CONCURRENCY: &str = "DANBI_CONCURRENCY";

/// The most events that one environment takes at once: each is a connection of its process, which may have 1,024 files.
pub const MAX_CONCURRENCY: u32 = 256;

impl FunctionSpec {
    /// How many events an environment is to be given at once (`DANBI_CONCURRENCY`, 1 to [`MAX_CONCURRENCY`]), when the
    /// function says so. As many are given as the process asks for at the same time, and no more than this.
    pub fn concurrency(&self) -> Option<u32> {
        let said = self.environment.get(CONCURRENCY)?;
        let places = said.trim().parse::<u32>().ok()?;
        Some(places.clamp(1, MAX_CONCURRENCY))
    }

    /// The same, where nothing said is one.
    pub(crate) fn places(&self) -> usize {
        self.concurrency().unwrap_or(1) as usize
    }

    /// The command of an HTTP-server app (`DANBI_HTTP_COMMAND`), when the function is one.
    pub fn http_command(&self) -> Option<&str> {
        self.environment
            .get("DANBI_HTTP_COMMAND")
            .map(String::as_str)
            .filter(|command| !command.trim().is_empty())
    }

    /// The function's ARN without its version: what all versions share.
    pub(crate) fn unqualified_arn(&self) -> String {
        let resource = self
            .function_arn
            .resource
            .splitn(3, ':')
            .take(2)
            .collect::<Vec<_>>()
            .join(":");
        Arn {
            resource,
            ..self.function_arn.clone()
        }
        .to_string()
    }
}
