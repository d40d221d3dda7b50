//! A connection to a server: the platform's own, and those that the proxy opens in its users' names.

use super::frame::{Fields, Framed, message};
use super::scram::{Claim, Claimed, MECHANISM, Secret};
use super::startup::Start;
use super::{PgError, backend, frontend};
use crate::server::Socket;
use bytes::Bytes;
use std::io;

/// The largest message of a start.
const MAX_START: usize = 64 * 1024;
/// Most bytes of one answer to the platform's own questions and to the Data API.
pub(crate) const MAX_ANSWER: usize = 16 << 20;

/// Why a connection or a statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server's own error.
    #[error(transparent)]
    Sql(#[from] PgError),
    /// The connection broke.
    #[error("the connection to the database server broke: {0}")]
    Io(#[from] io::Error),
    /// It said something that is not PostgreSQL.
    #[error("the database server said something that was not expected: {0}")]
    Protocol(&'static str),
    /// More than [`MAX_ANSWER`].
    #[error("the answer is larger than {} MiB", MAX_ANSWER >> 20)]
    TooLarge,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The object id of its type.
    pub(crate) kind: u32,
}

/// The rows of a query, or the counts of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    /// In PostgreSQL's text form; `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<Bytes>>>,
    pub(crate) affected: u64,
}

/// A logged-in connection.
pub(crate) struct Connection {
    pub(crate) framed: Framed<Socket>,
    /// ParameterStatus messages as they came, for a client that is to see them too.
    pub(crate) statuses: Vec<u8>,
    /// With what a statement of it is cancelled.
    pub(crate) key: (u32, u32),
}

/// How far a login has come.
enum Step {
    Begun,
    Claimed(Claim),
    Proven(Claimed),
    Done,
}

impl Connection {
    /// Logs in over `stream`.
    pub(crate) async fn log_in(stream: Socket, start: &Start, secret: &Secret) -> Result<Self, ClientError> {
        let mut framed = Framed::new(stream);
        framed.send(&start.packet()).await?;
        let mut step = Step::Begun;
        let mut connection = Self {
            framed,
            statuses: Vec::new(),
            key: (0, 0),
        };
        loop {
            let (kind, body) = connection.framed.message(MAX_START).await?;
            match kind {
                backend::AUTHENTICATION => {
                    let mut fields = Fields(&body);
                    step = match (fields.i32(), step) {
                        (Some(0), Step::Begun | Step::Done) => Step::Done,
                        (Some(10), Step::Begun) => {
                            let claim = Claim::new().map_err(|_| ClientError::Protocol("no random numbers"))?;
                            let mut said = [MECHANISM.as_bytes(), b"\0"].concat();
                            said.extend(u32::try_from(claim.said.len()).unwrap_or(0).to_be_bytes());
                            said.extend(claim.said.as_bytes());
                            connection.framed.send(&message(frontend::PASSWORD, &said)).await?;
                            Step::Claimed(claim)
                        }
                        (Some(11), Step::Claimed(claim)) => {
                            let proven = claim.prove(secret, fields.0);
                            let proven = proven.ok_or(ClientError::Protocol("a challenge"))?;
                            let said = message(frontend::PASSWORD, proven.said.as_bytes());
                            connection.framed.send(&said).await?;
                            Step::Proven(proven)
                        }
                        (Some(12), Step::Proven(proven)) if proven.is_answered_by(fields.0) => Step::Done,
                        _ => return Err(ClientError::Protocol("an authentication that the proxy does not speak")),
                    };
                }
                backend::PARAMETER_STATUS => connection.statuses.extend(message(kind, &body)),
                backend::BACKEND_KEY => {
                    let mut fields = Fields(&body);
                    let key = fields.u32().zip(fields.u32());
                    connection.key = key.ok_or(ClientError::Protocol("a key"))?;
                }
                backend::READY => return Ok(connection),
                backend::ERROR => return Err(PgError::of(&body).into()),
                _ => {}
            }
        }
    }

    /// Runs `sql`, one statement or several, and answers what the last one gave.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Answer, ClientError> {
        let body = [sql.as_bytes(), b"\0"].concat();
        self.framed.send(&message(frontend::QUERY, &body)).await?;
        self.answer().await
    }

    /// Runs statements of which nothing but success matters.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), ClientError> {
        self.query(sql).await.map(drop)
    }

    /// Runs one statement with parameters `$1`, `$2`, … in text form, each with its type; type 0 is for the server to
    /// find out, `None` is NULL.
    pub(crate) async fn execute(
        &mut self,
        sql: &str,
        parameters: &[(u32, Option<String>)],
    ) -> Result<Answer, ClientError> {
        let count = u16::try_from(parameters.len()).map_err(|_| ClientError::TooLarge)?;
        let mut parse = [b"\0", sql.as_bytes(), b"\0"].concat();
        parse.extend(count.to_be_bytes());
        parse.extend(parameters.iter().flat_map(|(kind, _)| kind.to_be_bytes()));
        // Both sides in text.
        let mut bind = b"\0\0\0\0".to_vec();
        bind.extend(count.to_be_bytes());
        for (_, value) in parameters {
            match value {
                None => bind.extend((-1_i32).to_be_bytes()),
                Some(text) => {
                    let length = i32::try_from(text.len()).map_err(|_| ClientError::TooLarge)?;
                    bind.extend(length.to_be_bytes());
                    bind.extend(text.as_bytes());
                }
            }
        }
        bind.extend(0_u16.to_be_bytes());
        let mut said = message(frontend::PARSE, &parse);
        said.extend(message(frontend::BIND, &bind));
        said.extend(message(frontend::DESCRIBE, b"P\0"));
        said.extend(message(frontend::EXECUTE, b"\0\0\0\0\0"));
        said.extend(message(frontend::SYNC, b""));
        self.framed.send(&said).await?;
        self.answer().await
    }

    /// Everything up to the next ReadyForQuery.
    async fn answer(&mut self) -> Result<Answer, ClientError> {
        let mut answer = Answer::default();
        let mut failed = None;
        let mut left = MAX_ANSWER;
        loop {
            let (kind, body) = self.framed.message(left).await.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => ClientError::TooLarge,
                _ => ClientError::Io(error),
            })?;
            left -= body.len();
            match kind {
                backend::ROW_DESCRIPTION => {
                    answer = Answer {
                        columns: columns(&body).ok_or(ClientError::Protocol("columns"))?,
                        ..Answer::default()
                    };
                }
                backend::DATA_ROW => answer.rows.push(row(&body).ok_or(ClientError::Protocol("a row"))?),
                backend::COMMAND_COMPLETE => answer.affected = affected(&body),
                backend::ERROR => {
                    let error = PgError::of(&body);
                    if error.severity == "FATAL" {
                        return Err(error.into());
                    }
                    failed = failed.or(Some(error));
                }
                backend::COPY_IN => {
                    // Nothing is copied this way; the server is told to give up.
                    self.framed.send(&message(b'f', b"not here\0")).await?;
                }
                backend::READY => return failed.map_or(Ok(answer), |error| Err(error.into())),
                _ => {}
            }
        }
    }
}

fn columns(body: &[u8]) -> Option<Vec<Column>> {
    let mut fields = Fields(body);
    let count = fields.i16()?;
    (0..count)
        .map(|_| {
            let name = String::from_utf8_lossy(fields.text()?).into_owned();
            // Its table, and which column of it.
            fields.take(6)?;
            let kind = fields.u32()?;
            // Size, modifier, format.
            fields.take(8)?;
            Some(Column { name, kind })
        })
        .collect()
}

fn row(body: &Bytes) -> Option<Vec<Option<Bytes>>> {
    let mut fields = Fields(body);
    let count = fields.i16()?;
    (0..count)
        .map(|_| match fields.i32()? {
            -1 => Some(None),
            length => Some(Some(body.slice_ref(fields.take(usize::try_from(length).ok()?)?))),
        })
        .collect()
}

/// The last number of `INSERT 0 3`, `UPDATE 3`, …
fn affected(body: &[u8]) -> u64 {
    let tag = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned();
    match tag.starts_with("SELECT") {
        true => 0,
        false => tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0),
    }
}

/// Text as a literal that no content can leave.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "");
    format!("E'{quoted}'")
}

/// A name in quotes.
pub(crate) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let mut body = 1_i16.to_be_bytes().to_vec();
        body.extend(b"id\0");
        body.extend([0, 0, 0, 9, 0, 1, 0, 0, 0, 23, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        let found = columns(&body).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].kind), ("id", 23));
        let body = Bytes::from_static(b"\0\x02\0\0\0\x01x\xff\xff\xff\xff");
        assert_eq!(row(&body), Some(vec![Some(Bytes::from_static(b"x")), None]));
        assert_eq!(row(&Bytes::from_static(b"\0\x01\0\0\0\x09x")), None);
        assert_eq!(
            (affected(b"INSERT 0 3\0"), affected(b"SELECT 3\0"), affected(b"BEGIN\0")),
            (3, 0, 0)
        );
    }

    #[test]
    fn nothing_leaves_its_quotes() {
        assert_eq!(literal("it's\\"), "E'it''s\\\\'");
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
    }
}
