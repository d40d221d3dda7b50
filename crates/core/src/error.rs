use std::collections::BTreeMap;

/// Whose fault an error is; decides between 4xx and 5xx and what awsQuery and restXml say in `Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: repeating the same call will not help.
    Client,
    /// The platform's.
    Server,
}

/// An error as an AWS service answers it, free of any protocol: the wire turns it into the protocol's own shape.
///
/// Every service crate has one error enum of its own whose variants are AWS's error codes; each converts into this.
/// `Display` shows code and message. Internal causes are logged where they happen and never leave the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// AWS's error code, such as `ResourceNotFoundException`.
    pub code: &'static str,
    /// The HTTP status AWS gives with it.
    pub status: u16,
    /// The message, worded as AWS words it.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// Further members of the modelled error shape (`Type`, `Reason`, …), by their model name.
    pub members: BTreeMap<&'static str, String>,
    /// Set for a throttle: whole seconds for the `Retry-After` header.
    pub retry_after_secs: Option<u32>,
}

impl ServiceError {
    /// A client's error.
    pub fn client(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            fault: Fault::Client,
            members: BTreeMap::new(),
            retry_after_secs: None,
        }
    }

    /// A fault of the platform. `message` is what the caller sees; log the cause where it is known.
    pub fn server(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            fault: Fault::Server,
            ..Self::client(code, status, message)
        }
    }

    /// Adds a member of the modelled error shape.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.members.insert(member, value.into());
        self
    }
}
