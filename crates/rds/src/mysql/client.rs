//! A connection to a server: the platform's own, and those that the proxy opens in its users' names.

use super::frame::{FULL, Fields, Framed};
use super::greeting::{Greeting, Login};
use super::native_password::Secret;
use super::{NATIVE_PASSWORD, SqlError, capability, command, status};
use crate::server::Socket;
use bytes::Bytes;
use std::io;

/// The largest packet of a handshake.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// Most bytes of one answer to the platform's own questions and to the Data API.
pub(crate) const MAX_ANSWER: usize = 16 << 20;

/// Why a connection or a statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server's own error.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The connection broke.
    #[error("the connection to the database server broke: {0}")]
    Io(#[from] io::Error),
    /// It said something that is not MySQL.
    #[error("the database server said something that was not expected: {0}")]
    Protocol(&'static str),
    /// More than [`MAX_ANSWER`].
    #[error("the answer is larger than {} MiB", MAX_ANSWER >> 20)]
    TooLarge,
}

/// As whom to log in, and how.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) user: Vec<u8>,
    pub(crate) secret: Secret,
    /// What client and server agreed upon, beyond what every connection has.
    pub(crate) capabilities: u32,
    pub(crate) charset: u8,
}

/// What a column of a result is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) label: String,
    pub(crate) name: String,
    pub(crate) charset: u16,
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u16,
    pub(crate) decimals: u8,
}

/// The rows of a query, or the counts of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    /// `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<Bytes>>>,
    pub(crate) affected: u64,
    pub(crate) insert_id: u64,
}

/// A logged-in connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) framed: Framed<Socket>,
}

impl Connection {
    /// Logs in over `stream`; `database` may be empty.
    pub(crate) async fn log_in(stream: Socket, account: &Account, database: &[u8]) -> Result<Self, ClientError> {
        let mut framed = Framed::new(stream);
        let (_, payload) = framed.packet(MAX_HANDSHAKE).await?;
        if payload.first() == Some(&0xff) {
            return Err(SqlError::of(&payload).into());
        }
        let greeting = Greeting::parse(&payload).ok_or(ClientError::Protocol("a greeting of another protocol"))?;
        let mut capabilities = account.capabilities
            | capability::PROTOCOL_41
            | capability::LONG_PASSWORD
            | capability::LONG_FLAG
            | capability::TRANSACTIONS
            | capability::SECURE_CONNECTION
            | capability::PLUGIN_AUTH;
        if !database.is_empty() {
            capabilities |= capability::CONNECT_WITH_DB;
        }
        let login = Login {
            capabilities,
            charset: account.charset,
            user: account.user.clone(),
            token: account.secret.token(&greeting.scramble),
            database: database.to_vec(),
            plugin: NATIVE_PASSWORD.into(),
        };
        framed.send(1, &login.payload()).await?;
        loop {
            let (sequence, payload) = framed.packet(MAX_HANDSHAKE).await?;
            match payload.first() {
                Some(0) => return Ok(Self { framed }),
                Some(0xff) => return Err(SqlError::of(&payload).into()),
                Some(0xfe) => {
                    let mut fields = Fields(&payload[1..]);
                    let plugin = fields.zero_ended().unwrap_or_default();
                    let scramble = fields.take(super::native_password::LENGTH);
                    let scramble = scramble.and_then(|scramble| scramble.try_into().ok());
                    let (true, Some(scramble)) = (plugin == NATIVE_PASSWORD.as_bytes(), scramble) else {
                        return Err(ClientError::Protocol(
                            "an authentication plugin that the proxy does not speak",
                        ));
                    };
                    framed
                        .send(sequence.wrapping_add(1), &account.secret.token(&scramble))
                        .await?;
                }
                _ => return Err(ClientError::Protocol("an answer to a login")),
            }
        }
    }

    /// Runs `sql`, and answers what its last statement gave.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Answer, ClientError> {
        self.say(command::QUERY, sql.as_bytes()).await?;
        loop {
            let (answer, flags) = self.answer().await?;
            if flags & status::MORE_RESULTS == 0 {
                return Ok(answer);
            }
        }
    }

    /// Runs a statement of which nothing but success matters.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), ClientError> {
        self.query(sql).await.map(drop)
    }

    async fn say(&mut self, command: u8, argument: &[u8]) -> Result<(), ClientError> {
        let mut payload = Vec::with_capacity(argument.len() + 1);
        payload.push(command);
        payload.extend(argument);
        if payload.len() >= FULL {
            return Err(ClientError::TooLarge);
        }
        Ok(self.framed.send(0, &payload).await?)
    }

    async fn answer(&mut self) -> Result<(Answer, u16), ClientError> {
        let mut answer = Answer::default();
        let mut left = MAX_ANSWER;
        let payload = self.piece(&mut left).await?;
        if payload.first() == Some(&0) {
            let mut fields = Fields(&payload[1..]);
            answer.affected = fields.length().unwrap_or(0);
            answer.insert_id = fields.length().unwrap_or(0);
            return Ok((answer, fields.u16().unwrap_or(0)));
        }
        let count = Fields(&payload)
            .length()
            .ok_or(ClientError::Protocol("a number of columns"))?;
        for _ in 0..count {
            let payload = self.piece(&mut left).await?;
            answer
                .columns
                .push(column(&payload).ok_or(ClientError::Protocol("a column"))?);
        }
        self.piece(&mut left).await?;
        loop {
            let payload = self.piece(&mut left).await?;
            if payload.first() == Some(&0xfe) && payload.len() < 9 {
                return Ok((answer, Fields(&payload[3.min(payload.len())..]).u16().unwrap_or(0)));
            }
            answer
                .rows
                .push(row(&payload, answer.columns.len()).ok_or(ClientError::Protocol("a row"))?);
        }
    }

    async fn piece(&mut self, left: &mut usize) -> Result<Bytes, ClientError> {
        let (_, payload) = self.framed.packet(*left).await.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => ClientError::TooLarge,
            _ => ClientError::Io(error),
        })?;
        if payload.len() == FULL {
            return Err(ClientError::TooLarge);
        }
        *left -= payload.len();
        match payload.first() {
            Some(0xff) => Err(SqlError::of(&payload).into()),
            _ => Ok(payload),
        }
    }
}

fn column(payload: &[u8]) -> Option<Column> {
    let mut fields = Fields(payload);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.text()?;
    let schema = text(fields.text()?);
    let label_table = text(fields.text()?);
    fields.text()?;
    let label = text(fields.text()?);
    let name = text(fields.text()?);
    fields.length()?;
    Some(Column {
        schema,
        table: label_table,
        label,
        name,
        charset: fields.u16()?,
        length: fields.u32()?,
        kind: fields.u8()?,
        flags: fields.u16()?,
        decimals: fields.u8()?,
    })
}

fn row(payload: &Bytes, columns: usize) -> Option<Vec<Option<Bytes>>> {
    let mut fields = Fields(payload);
    let mut row = Vec::with_capacity(columns);
    for _ in 0..columns {
        if fields.0.first() == Some(&0xfb) {
            fields.take(1);
            row.push(None);
        } else {
            row.push(Some(payload.slice_ref(fields.text()?)));
        }
    }
    Some(row)
}

/// Text as a literal that no content can leave, whatever the session's character set and modes are.
pub(crate) fn literal(text: &str) -> String {
    format!("CONVERT(X'{}' USING utf8mb4)", danbi_core::hex::encode(text))
}

/// Text as a quoted literal for statements that take no expression (`CREATE USER`), in a session without
/// `NO_BACKSLASH_ESCAPES`.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// A name in back quotes.
pub(crate) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
