/// Why an event did not reach a function. A function that ran and failed is not an error but an
/// [`crate::Outcome`] with [`crate::Outcome::function_error`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// The function's reserved concurrency is in use: AWS's 429 `ReservedFunctionConcurrentInvocationLimitExceeded`.
    #[error("the function's {limit} reserved concurrent executions are in use")]
    ConcurrencyLimit {
        /// The reserved concurrency.
        limit: u32,
    },
    /// This machine has no room for another environment: AWS's 429 `ConcurrentInvocationLimitExceeded`.
    #[error("no room for another execution environment: {reason}")]
    NoCapacity {
        /// Which limit was met, with its number.
        reason: String,
    },
    /// No interpreter for this runtime, or a runtime that Danbi does not run. `advice` says what to do about it.
    #[error("runtime {runtime} cannot run here: {advice}")]
    Unsupported {
        /// The runtime's name.
        runtime: String,
        /// What to install, or which runtime to use instead.
        advice: String,
    },
    /// The sandbox could not be made: AWS's 502 `EC2UnexpectedException`-like fault.
    #[error("the execution environment could not be started: {0}")]
    Sandbox(String),
    /// The role's credentials could not be had: AWS's `InvalidRoleException`-like answer.
    #[error("the function's role could not be assumed: {0}")]
    Role(danbi_core::ServiceError),
    /// The HTTP-server app did not start or broke off: 502 with the reason.
    #[error("{0}")]
    App(String),
    /// The function is an HTTP-server app and was asked for something else, or the other way round.
    #[error("{0}")]
    Mode(&'static str),
    /// The platform is shutting down: 503.
    #[error("the platform is shutting down")]
    Draining,
}
