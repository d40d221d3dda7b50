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

/// How far a version's provisioned concurrency has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// How many environments are to be kept.
    pub requested: u32,
    /// How many are initialised.
    pub allocated: u32,
    /// Why there are not more, when the last attempt failed.
    pub failure: Option<ProvisionFailure>,
}

/// Why an environment could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionFailure {
    /// The function failed to initialise.
    Init,
    /// It took too long.
    InitTimedOut,
    /// This machine could not, with the reason.
    Machine(String),
}

/// What came of making a template ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// Environments are made of it from now on.
    Taken,
    /// The function cannot be forked, for this reason, and is started as usual.
    Unfit(String),
    /// The function failed to initialise, with this type of error or reason.
    InitFailed(String),
    /// It took too long.
    TimedOut,
    /// This machine makes no template of it, with the reason; it is started as usual.
    Unavailable(String),
}
