use std::time::Duration;

/// What an execution environment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentState {
    /// The sandbox is being made or the runtime is initialising.
    Starting,
    /// Waiting for an event, still running.
    Idle,
    /// Waiting for an event, not running.
    Frozen,
    /// Working on an event (or on requests).
    Busy,
}

/// One execution environment, for `danbi status`.
#[derive(Debug, Clone)]
pub struct EnvironmentStatus {
    /// The version that it runs.
    pub function_arn: String,
    /// Its log stream.
    pub log_stream: String,
    /// What it is doing.
    pub state: EnvironmentState,
    /// How long it has existed.
    pub age: Duration,
    /// How many events or requests it has been given.
    pub events: u64,
    /// Its memory limit, MiB.
    pub memory_mib: u32,
}
