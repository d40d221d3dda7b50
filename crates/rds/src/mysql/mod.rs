//! MySQL's client/server protocol, as far as a proxy and an administrator need it.
//!
//! Source: <https://mariadb.com/kb/en/clientserver-protocol/>.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod greeting;
pub(crate) mod native_password;
pub(crate) mod response;
pub(crate) mod statement;

/// Capability flags of both sides.
pub(crate) mod capability {
    pub(crate) const LONG_PASSWORD: u32 = 1;
    pub(crate) const FOUND_ROWS: u32 = 1 << 1;
    pub(crate) const LONG_FLAG: u32 = 1 << 2;
    pub(crate) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(crate) const NO_SCHEMA: u32 = 1 << 4;
    pub(crate) const IGNORE_SPACE: u32 = 1 << 8;
    pub(crate) const PROTOCOL_41: u32 = 1 << 9;
    pub(crate) const INTERACTIVE: u32 = 1 << 10;
    pub(crate) const SSL: u32 = 1 << 11;
    pub(crate) const TRANSACTIONS: u32 = 1 << 13;
    pub(crate) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(crate) const MULTI_STATEMENTS: u32 = 1 << 16;
    pub(crate) const MULTI_RESULTS: u32 = 1 << 17;
    pub(crate) const PS_MULTI_RESULTS: u32 = 1 << 18;
    pub(crate) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(crate) const CONNECT_ATTRS: u32 = 1 << 20;
    pub(crate) const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
}

/// Commands of a client, by the first byte of a packet.
pub(crate) mod command {
    pub(crate) const QUIT: u8 = 0x01;
    pub(crate) const INIT_DB: u8 = 0x02;
    pub(crate) const QUERY: u8 = 0x03;
    pub(crate) const FIELD_LIST: u8 = 0x04;
    pub(crate) const STATISTICS: u8 = 0x09;
    pub(crate) const PING: u8 = 0x0e;
    pub(crate) const STMT_PREPARE: u8 = 0x16;
    pub(crate) const STMT_EXECUTE: u8 = 0x17;
    pub(crate) const STMT_SEND_LONG_DATA: u8 = 0x18;
    pub(crate) const STMT_CLOSE: u8 = 0x19;
    pub(crate) const STMT_RESET: u8 = 0x1a;
    pub(crate) const SET_OPTION: u8 = 0x1b;
    pub(crate) const STMT_FETCH: u8 = 0x1c;
    pub(crate) const RESET_CONNECTION: u8 = 0x1f;
}

/// Status flags in OK and EOF packets.
pub(crate) mod status {
    pub(crate) const IN_TRANSACTION: u16 = 1;
    pub(crate) const AUTOCOMMIT: u16 = 1 << 1;
    pub(crate) const MORE_RESULTS: u16 = 1 << 3;
    /// A cursor is open, whose rows are fetched later.
    pub(crate) const CURSOR: u16 = 1 << 6;
}

/// The one authentication plugin that the proxy speaks: the default of MariaDB and of RDS for MySQL up to 8.0.
pub(crate) const NATIVE_PASSWORD: &str = "mysql_native_password";

/// An error as MySQL words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code}, {state})")]
pub(crate) struct SqlError {
    pub(crate) code: u16,
    /// Five characters of SQLSTATE.
    pub(crate) state: String,
    pub(crate) message: String,
}

impl SqlError {
    pub(crate) fn new(code: u16, state: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            state: state.to_owned(),
            message: message.into(),
        }
    }

    /// Reads the payload of an ERR packet.
    pub(crate) fn of(payload: &[u8]) -> Self {
        let code = payload
            .get(1..3)
            .map_or(0, |code| u16::from_le_bytes([code[0], code[1]]));
        let text = payload.get(3..).unwrap_or_default();
        let (state, message) = match text.split_first() {
            Some((b'#', rest)) if rest.len() >= 5 => rest.split_at(5),
            _ => (b"HY000".as_slice(), text),
        };
        Self {
            code,
            state: String::from_utf8_lossy(state).into_owned(),
            message: String::from_utf8_lossy(message).into_owned(),
        }
    }

    /// The payload of an ERR packet.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = vec![0xff];
        payload.extend(self.code.to_le_bytes());
        payload.push(b'#');
        payload.extend(self.state.bytes().chain(std::iter::repeat(b'0')).take(5));
        payload.extend(self.message.as_bytes());
        payload
    }
}
