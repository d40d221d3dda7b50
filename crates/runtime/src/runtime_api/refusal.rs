/// An error of the Runtime API, as the process gets it: `{"errorMessage":…,"errorType":…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// AWS's error type.
    pub(crate) error_type: String,
    /// AWS's message.
    pub(crate) message: String,
}

impl Refusal {
    fn new(status: u16, error_type: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_type: error_type.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid_request_id() -> Self {
        Self::new(400, "InvalidRequestID", "Invalid request ID")
    }

    pub(crate) fn invalid_state_transition(from: &str, to: &str) -> Self {
        let message =
            format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed");
        Self::new(403, "InvalidStateTransition", message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Exceeded maximum allowed payload size ({limit} bytes).");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    pub(crate) fn truncated() -> Self {
        Self::new(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")
    }

    pub(crate) fn wrong_mode() -> Self {
        Self::new(400, "InvalidFunctionResponseMode", "Invalid function response mode")
    }

    /// The environment is gone while its process still speaks.
    pub(crate) fn gone() -> Self {
        Self::new(500, "InternalServerError", "Internal Server Error")
    }

    /// Extensions would need a process of their own beside the runtime; Danbi does not start them.
    pub(crate) fn extensions() -> Self {
        Self::new(
            403,
            "Extension.NotSupported",
            "Lambda extensions are not supported by Danbi",
        )
    }

    /// What AWS's own stub says where there is no Logs API; a 202, so that runtimes carry on.
    pub(crate) fn logs_api() -> Self {
        Self::new(202, "Logs.NotSupported", "Logs API is not supported")
    }

    /// The same for the Telemetry API.
    pub(crate) fn telemetry_api() -> Self {
        Self::new(202, "Telemetry.NotSupported", "Telemetry API is not supported")
    }

    /// Restore belongs to environments made from a snapshot (`AWS_LAMBDA_INITIALIZATION_TYPE=snap-start`).
    pub(crate) fn restore() -> Self {
        Self::new(
            404,
            "InvalidStateTransition",
            "This environment was not restored from a snapshot",
        )
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "404 page not found")
    }

    pub(crate) fn no_such_method() -> Self {
        Self::new(405, "MethodNotAllowed", "Method Not Allowed")
    }

    pub(crate) fn document(&self) -> Vec<u8> {
        serde_json::json!({ "errorMessage": self.message, "errorType": self.error_type })
            .to_string()
            .into_bytes()
    }
}
