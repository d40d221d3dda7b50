//! What goes on between a client and the server connection that it has: both ways at once, for either side may speak
//! before the other has read, and without a copy of what is large.

use crate::postgres::frame::{HEADER, READ, header_of};
use crate::postgres::{backend, frontend, statement};
use bytes::{Buf, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much of a statement is read before it goes on: what it does to the session is judged by that.
pub(super) const JUDGED: usize = 1 << 20;
/// The largest statement that is said again on another connection.
const MAX_SETTING: usize = 4 * 1024;
/// How much is read ahead of a side that does not take it.
const AHEAD: usize = 256 * 1024;

/// How an error begins that ends the session.
const FATAL: &[u8] = b"SFATAL";

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The session is between two transactions and could go on elsewhere.
    Idle,
    /// The client left.
    Left,
    /// The server closed the connection.
    ServerGone,
    /// The client closed it, or said what is no message.
    ClientGone,
}

/// What the proxy knows of a session, as far as it has seen messages go by.
#[derive(Debug)]
pub(super) struct Watched {
    /// `I`, `T` or `E`: idle, in a transaction, in one that failed.
    pub(super) state: u8,
    pub(super) is_pinned: bool,
    /// Statements that made the session what it is.
    pub(super) setup: Vec<Vec<u8>>,
    /// Responses that will end with ReadyForQuery.
    pending: usize,
    /// Something was said that no Sync has followed yet.
    is_unsynced: bool,
    /// The unnamed statement was parsed and not used yet.
    is_parsed: bool,
    /// What sets something, until it is known that it did.
    setting: Option<Vec<u8>>,
    has_failed: bool,
    /// The client was told that its session is over.
    pub(super) is_over: bool,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            state: b'I',
            is_pinned: false,
            setup: Vec::new(),
            pending: 0,
            is_unsynced: false,
            is_parsed: false,
            setting: None,
            has_failed: false,
            is_over: false,
        }
    }
}

impl Watched {
    /// Whether nothing would be lost if the session went on with another connection.
    pub(super) fn is_idle(&self) -> bool {
        self.state == b'I' && self.pending == 0 && !self.is_unsynced && !self.is_parsed && !self.is_pinned
    }

    /// Takes note of a client's message, of which `body` is the beginning.
    fn client_said(&mut self, kind: u8, body: &[u8]) {
        match kind {
            frontend::QUERY => {
                let sql = body.strip_suffix(b"\0").unwrap_or(body);
                self.judge(sql, true);
                self.pending += 1;
                self.is_parsed = false;
            }
            frontend::PARSE => {
                self.is_unsynced = true;
                let mut parts = body.splitn(3, |byte| *byte == 0);
                let (name, sql) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                // A named one belongs to the connection.
                self.is_pinned |= !name.is_empty();
                self.is_parsed = true;
                // With parameters it cannot be said again as it is.
                self.judge(
                    sql,
                    !sql.windows(2).any(|two| two[0] == b'$' && two[1].is_ascii_digit()),
                );
            }
            frontend::BIND => {
                self.is_unsynced = true;
                self.is_parsed = false;
            }
            frontend::SYNC => {
                self.is_unsynced = false;
                self.pending += 1;
            }
            frontend::FUNCTION_CALL => self.pending += 1,
            frontend::CLOSE | frontend::DESCRIBE | frontend::EXECUTE => self.is_unsynced = true,
            // Flush, and what is copied.
            _ => {}
        }
    }

    fn judge(&mut self, sql: &[u8], can_be_said_again: bool) {
        let effects = statement::effects(sql);
        self.is_pinned |= effects.pins;
        if effects.sets {
            let is_alone = self.state == b'I' && self.pending == 0 && self.setting.is_none();
            match is_alone && can_be_said_again && sql.len() <= MAX_SETTING {
                true => self.setting = Some(sql.to_vec()),
                // It may be undone with its transaction.
                false => self.is_pinned = true,
            }
        }
    }

    /// Takes note of a server's message.
    fn server_said(&mut self, kind: u8, body: &[u8]) {
        match kind {
            backend::ERROR => {
                self.has_failed = true;
                self.is_over |= body.starts_with(FATAL) || body.starts_with(b"SPANIC");
            }
            backend::READY => {
                self.pending = self.pending.saturating_sub(1);
                self.state = body.first().copied().unwrap_or(b'I');
                let setting = self.setting.take();
                if let Some(sql) = setting.filter(|_| !self.has_failed) {
                    self.remember(sql);
                }
                self.has_failed = false;
            }
            _ => {}
        }
    }

    fn remember(&mut self, sql: Vec<u8>) {
        const MAX_SETUP: usize = 64;
        self.is_pinned |= self.state != b'I';
        self.setup.retain(|earlier| *earlier != sql);
        self.setup.push(sql);
        self.is_pinned |= self.setup.len() > MAX_SETUP;
    }
}

/// Bytes from one side that are on their way to the other.
struct Way<'b> {
    /// What has come and was not looked at.
    incoming: &'b mut BytesMut,
    /// What was looked at.
    outgoing: BytesMut,
    /// How many bytes of a message that has been looked at are still to come.
    rest: usize,
}

impl<'b> Way<'b> {
    fn new(incoming: &'b mut BytesMut) -> Self {
        Self {
            incoming,
            outgoing: BytesMut::new(),
            rest: 0,
        }
    }

    /// Looks at what has come: `note` is told of each message, with as much of its body as `wanted` says, until it says
    /// that this was the last.
    fn look(&mut self, wanted: impl Fn(u8) -> usize, mut note: impl FnMut(u8, &[u8]) -> bool) -> io::Result<()> {
        let mut passed = 0;
        loop {
            let ahead = &self.incoming[passed..];
            let more = self.rest.min(ahead.len());
            passed += more;
            self.rest -= more;
            let ahead = &ahead[more..];
            let Some(header) = header_of(ahead)?.filter(|_| self.rest == 0) else {
                break;
            };
            let needed = HEADER + header.length.min(wanted(header.kind));
            if ahead.len() < needed || !note(header.kind, &ahead[HEADER..needed]) {
                break;
            }
            self.rest = HEADER + header.length;
        }
        if passed > 0 {
            let looked = self.incoming.split_to(passed);
            match self.outgoing.is_empty() {
                true => self.outgoing = looked,
                false => self.outgoing.unsplit(looked),
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.rest == 0
    }

    fn sent(&mut self, count: usize) {
        self.outgoing.advance(count);
        if self.outgoing.is_empty() {
            // So that what comes next can use its memory again.
            self.outgoing = BytesMut::new();
        }
    }
}

/// Passes messages both ways until the session could go on elsewhere or one side is gone; the first of them must be the
/// client's. What its buffer holds then is still to be passed on. `pin` is told when the session can go on nowhere else.
pub(super) async fn relay<C, S>(
    watched: &mut Watched,
    (client, from_client): (&mut C, &mut BytesMut),
    (server, from_server): (&mut S, &mut BytesMut),
    mut pin: impl FnMut(),
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client_reads, mut client_writes) = tokio::io::split(client);
    let (mut server_reads, mut server_writes) = tokio::io::split(server);
    let (mut up, mut down) = (Way::new(from_client), Way::new(from_server));
    let (mut has_spoken, mut has_left) = (false, false);
    // TLS keeps what is written until it is flushed.
    let mut is_flushed = true;
    loop {
        let judged = |kind: u8| match kind {
            frontend::QUERY | frontend::PARSE => JUDGED,
            _ => 0,
        };
        let looked = up.look(judged, |kind, body| {
            has_spoken = true;
            has_left = kind == frontend::TERMINATE;
            if !has_left {
                watched.client_said(kind, body);
            }
            !has_left
        });
        if looked.is_err() {
            return End::ClientGone;
        }
        if watched.is_pinned {
            pin();
        }
        let some = |kind: u8| match kind {
            backend::READY => 1,
            backend::ERROR => FATAL.len(),
            _ => 0,
        };
        let noted = down.look(some, |kind, body| {
            watched.server_said(kind, body);
            true
        });
        if noted.is_err() {
            return End::ServerGone;
        }
        if up.is_empty() && down.is_empty() && is_flushed && has_spoken {
            if has_left {
                return End::Left;
            }
            if watched.is_idle() && down.incoming.is_empty() {
                return End::Idle;
            }
        }
        tokio::select! {
            biased;
            written = write_some(&mut client_writes, &down.outgoing), if !down.outgoing.is_empty() || !is_flushed => {
                match written {
                    Ok(_) if down.outgoing.is_empty() => is_flushed = true,
                    Ok(count) => {
                        down.sent(count);
                        is_flushed = false;
                    }
                    Err(_) => return End::ClientGone,
                }
            }
            written = server_writes.write(&up.outgoing), if !up.outgoing.is_empty() => match written {
                Ok(count @ 1..) => up.sent(count),
                Ok(0) | Err(_) => return last_words(watched, &mut server_reads, &mut down, &mut client_writes).await,
            },
            read = read_more(&mut server_reads, down.incoming), if down.outgoing.len() < AHEAD => match read {
                Ok(1..) => {}
                Ok(0) | Err(_) => return End::ServerGone,
            },
            read = read_more(&mut client_reads, up.incoming), if !has_left && up.outgoing.len() < AHEAD => match read {
                Ok(1..) => {}
                Ok(0) | Err(_) => return End::ClientGone,
            },
        }
    }
}

/// Writes some of `outgoing`, or flushes when there is nothing.
async fn write_some<W: AsyncWrite + Unpin>(to: &mut W, outgoing: &[u8]) -> io::Result<usize> {
    if outgoing.is_empty() {
        to.flush().await?;
        return Ok(0);
    }
    match to.write(outgoing).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

async fn read_more<R: AsyncRead + Unpin>(from: &mut R, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ);
    from.read_buf(buffer).await
}

/// Passes on why the server closed, if it said it.
async fn last_words<S: AsyncRead + Unpin, C: AsyncWrite + Unpin>(
    watched: &mut Watched,
    server: &mut S,
    down: &mut Way<'_>,
    client: &mut C,
) -> End {
    while down.incoming.len() < AHEAD {
        let Ok(1..) = read_more(server, down.incoming).await else {
            break;
        };
    }
    let noted = down.look(
        |kind| if kind == backend::ERROR { FATAL.len() } else { 0 },
        |kind, body| {
            watched.server_said(kind, body);
            true
        },
    );
    if noted.is_err() || client.write_all(&down.outgoing).await.is_err() || client.flush().await.is_err() {
        return End::ClientGone;
    }
    End::ServerGone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::frame::message;

    fn query(sql: &str) -> Vec<u8> {
        message(frontend::QUERY, format!("{sql}\0").as_bytes())
    }

    /// What becomes of a session in which the client says `said` and the server answers `answers`.
    async fn session(watched: &mut Watched, said: &[u8], answers: &[u8]) -> (End, Vec<u8>, Vec<u8>) {
        let (mut client, mut client_end) = tokio::io::duplex(64);
        let (mut server, mut server_end) = tokio::io::duplex(64);
        let (to_server, to_client) = (said.to_vec(), answers.to_vec());
        let (sent, answered) = (said.len(), answers.len());
        let clients = tokio::spawn(async move {
            let mut heard = vec![0; answered];
            {
                let (mut reads, mut writes) = tokio::io::split(&mut client_end);
                let (written, read) = tokio::join!(writes.write_all(&to_server), reads.read_exact(&mut heard));
                written.unwrap();
                read.unwrap();
            }
            (heard, client_end)
        });
        let servers = tokio::spawn(async move {
            let mut heard = vec![0; sent];
            server_end.read_exact(&mut heard).await.unwrap();
            server_end.write_all(&to_client).await.unwrap();
            (heard, server_end)
        });
        let (mut one, mut other) = (BytesMut::new(), BytesMut::new());
        let end = relay(watched, (&mut client, &mut one), (&mut server, &mut other), || ()).await;
        let (heard_by_client, _client) = clients.await.unwrap();
        let (heard_by_server, _server) = servers.await.unwrap();
        (end, heard_by_server, heard_by_client)
    }

    #[tokio::test]
    async fn what_is_said_arrives_and_a_session_ends_its_hold_when_it_is_idle() {
        let mut watched = Watched::default();
        let mut said = query("SELECT 'a long enough statement to be cut into many pieces on its way'");
        said.extend(message(frontend::SYNC, b""));
        let mut answers = message(backend::DATA_ROW, &[7; 500]);
        answers.extend(message(backend::READY, b"I"));
        answers.extend(message(backend::READY, b"I"));
        let (end, up, down) = session(&mut watched, &said, &answers).await;
        assert_eq!((end, up, down), (End::Idle, said, answers));
    }

    #[test]
    fn a_transaction_and_what_is_pending_hold_the_connection() {
        let mut watched = Watched::default();
        watched.client_said(frontend::QUERY, b"BEGIN\0");
        assert!(!watched.is_idle());
        watched.server_said(backend::READY, b"T");
        assert!(!watched.is_idle());
        watched.client_said(frontend::QUERY, b"COMMIT\0");
        watched.server_said(backend::READY, b"I");
        assert!(watched.is_idle());
        watched.client_said(frontend::PARSE, b"\0SELECT $1\0\0\0");
        watched.client_said(frontend::SYNC, b"");
        watched.server_said(backend::READY, b"I");
        assert!(!watched.is_idle(), "the unnamed statement is still to be used");
        watched.client_said(frontend::BIND, b"\0\0");
        watched.client_said(frontend::SYNC, b"");
        watched.server_said(backend::READY, b"I");
        assert!(watched.is_idle());
        watched.client_said(frontend::PARSE, b"name\0SELECT 1\0\0\0");
        assert!(watched.is_pinned);
    }

    #[test]
    fn settings_are_remembered_when_they_were_taken() {
        let mut watched = Watched::default();
        let mut set = |sql: &[u8], fails: bool, state: &[u8]| {
            watched.client_said(frontend::QUERY, sql);
            if fails {
                watched.server_said(backend::ERROR, b"");
            }
            watched.server_said(backend::READY, state);
            (watched.setup.len(), watched.is_pinned)
        };
        assert_eq!(set(b"SET TIME ZONE 'UTC'\0", false, b"I"), (1, false));
        assert_eq!(set(b"SET nonsense = 1\0", true, b"I"), (1, false));
        assert_eq!(set(b"SET TIME ZONE 'UTC'\0", false, b"I"), (1, false));
        assert_eq!(set(b"BEGIN\0", false, b"T"), (1, false));
        assert_eq!(set(b"SET statement_timeout = 5\0", false, b"T"), (1, true));
    }
}
