//! PostgreSQL's protocol, version 3, as far as a proxy and an administrator need it.
//!
//! Source: <https://www.postgresql.org/docs/15/protocol.html>.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod scram;
pub(crate) mod startup;
pub(crate) mod statement;

/// What a server's message is, by its first byte.
pub(crate) mod backend {
    pub(crate) const AUTHENTICATION: u8 = b'R';
    pub(crate) const BACKEND_KEY: u8 = b'K';
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const DATA_ROW: u8 = b'D';
    pub(crate) const ERROR: u8 = b'E';
    pub(crate) const PARAMETER_STATUS: u8 = b'S';
    pub(crate) const READY: u8 = b'Z';
    pub(crate) const ROW_DESCRIPTION: u8 = b'T';
    pub(crate) const COPY_IN: u8 = b'G';
}

/// What a client's message is, by its first byte.
pub(crate) mod frontend {
    pub(crate) const BIND: u8 = b'B';
    pub(crate) const CLOSE: u8 = b'C';
    pub(crate) const DESCRIBE: u8 = b'D';
    pub(crate) const EXECUTE: u8 = b'E';
    pub(crate) const FUNCTION_CALL: u8 = b'F';
    pub(crate) const PARSE: u8 = b'P';
    pub(crate) const PASSWORD: u8 = b'p';
    pub(crate) const QUERY: u8 = b'Q';
    pub(crate) const SYNC: u8 = b'S';
    pub(crate) const TERMINATE: u8 = b'X';
}

/// An error as PostgreSQL words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub(crate) struct PgError {
    /// `ERROR`, after which the session goes on, or `FATAL`.
    pub(crate) severity: String,
    /// Five characters of SQLSTATE.
    pub(crate) code: String,
    pub(crate) message: String,
}

impl PgError {
    /// One that ends the session.
    pub(crate) fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self {
            severity: "FATAL".to_owned(),
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// Reads the body of an ErrorResponse.
    pub(crate) fn of(body: &[u8]) -> Self {
        let field = |kind: u8| {
            let fields = body.split(|byte| *byte == 0);
            let found = fields
                .filter_map(|field| field.split_first())
                .find(|(first, _)| **first == kind);
            found.map_or(String::new(), |(_, text)| String::from_utf8_lossy(text).into_owned())
        };
        Self {
            severity: field(b'S'),
            code: field(b'C'),
            message: field(b'M'),
        }
    }

    /// The whole ErrorResponse.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, text) in [
            (b'S', &self.severity),
            (b'V', &self.severity),
            (b'C', &self.code),
            (b'M', &self.message),
        ] {
            body.push(kind);
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.push(0);
        }
        body.push(0);
        frame::message(backend::ERROR, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_as_they_were() {
        let error = PgError::fatal("28P01", "password authentication failed for user \"x\"");
        let message = error.message();
        assert_eq!(message[0], b'E');
        assert_eq!(PgError::of(&message[5..]), error);
        assert_eq!(PgError::of(b"").code, "");
    }
}
