use crate::BodyError;
use serde_json::Value;
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
    /// What only few errors have. Boxed, because an error travels in every `Result`.
    pub extras: Option<Box<ErrorExtras>>,
}

/// What an answer says besides the modelled error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorExtras {
    /// Headers with lower-case names, such as `x-amz-delete-marker`.
    pub headers: Vec<(&'static str, String)>,
    /// Members of JSON documents that are more than text.
    pub json: Vec<(&'static str, Value)>,
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
            extras: None,
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

    /// Adds a header to the answer, such as `x-amz-delete-marker`. Its name is lower-case.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extras.get_or_insert_default().headers.push((name, value.into()));
        self
    }

    /// Adds a member that is more than text (`CancellationReasons`, `Item`), for protocols that write JSON.
    #[must_use]
    pub fn with_json(mut self, member: &'static str, value: Value) -> Self {
        self.extras.get_or_insert_default().json.push((member, value));
        self
    }

    /// The headers of [`ServiceError::with_header`], in their order.
    pub fn headers(&self) -> &[(&'static str, String)] {
        self.extras.as_ref().map_or(&[], |extras| &extras.headers)
    }

    /// The members of [`ServiceError::with_json`], in their order.
    pub fn json_members(&self) -> &[(&'static str, Value)] {
        self.extras.as_ref().map_or(&[], |extras| &extras.json)
    }

    /// What to answer when reading a request's body ended with `error`: the error that the wire put there (a body that
    /// is not what was signed, one past its limit), else `IncompleteBody`, because it broke off.
    pub fn of_body(error: BodyError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(_) => Self::client(
                "IncompleteBody",
                400,
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            ),
        }
    }
}
