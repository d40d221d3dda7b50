//! One client, from its handshake to its end.

use super::super::pool::{Lent, NoConnection};
use super::super::stream::Stream;
use super::greet::{self, Greeted};
use super::relay::{self, Broken};
use super::{Backend, MySql};
use crate::mysql::client::{Account, ClientError};
use crate::mysql::frame::{FULL, Framed, HEADER, frame};
use crate::mysql::response::{Outcome, Response};
use crate::mysql::{SqlError, command, statement, status};
use crate::server::{Lease, Running};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How much of a statement is read before it goes on: what it does to the session is judged by that.
const JUDGED: usize = 1 << 20;
/// Statements that set up a session and are said again on another connection; one with more keeps its connection.
const MAX_SETUP: usize = 64;
const MAX_SETUP_BYTES: usize = 16 * 1024;
/// How long the server may take to take over a session.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// Serves a client until it leaves.
pub(crate) async fn run(front: &MySql, stream: TcpStream, from: IpAddr) {
    let thread = front.next_thread();
    let Some(greeted) = greet::greet(front, stream, thread, from).await else {
        return;
    };
    let Greeted {
        framed,
        account,
        database,
        sequence,
        lease,
        running,
    } = greeted;
    let mut session = Session {
        front,
        client: framed,
        thread,
        account,
        database: database.clone(),
        setup: Vec::new(),
        insert_id: 0,
        is_pinned: false,
        status: status::AUTOCOMMIT,
        held: None,
    };
    if session.welcome(sequence, lease, running, database).await.is_ok() {
        // Whichever side broke: the session is over.
        let _ = session.serve().await;
    }
    // A connection that is still held is closed with the session, and its transaction rolled back.
}

/// A server connection while it is the session's.
struct Held {
    lent: Lent<Backend>,
    _lease: Lease,
}

struct Session<'f> {
    front: &'f MySql,
    client: Framed<Stream>,
    thread: u32,
    account: Account,
    database: Vec<u8>,
    /// Statements that made the session what it is.
    setup: Vec<Vec<u8>>,
    /// Of the last row that was inserted.
    insert_id: u64,
    is_pinned: bool,
    status: u16,
    held: Option<Held>,
}

/// Why there is no connection for a command.
enum Refused {
    Sql(SqlError),
    Broken,
}

impl Session<'_> {
    /// Logs in to the server, which has its own reasons to refuse, and tells the client.
    async fn welcome(
        &mut self,
        sequence: u8,
        lease: Lease,
        running: Arc<Running>,
        database: Vec<u8>,
    ) -> Result<(), Broken> {
        let taken = self
            .front
            .backend(&running, &self.account, self.thread, &database)
            .await;
        let entered = match taken {
            Ok(lent) => self.enter(lent, lease).await,
            Err(error) => Err(refusal(error)),
        };
        match entered {
            Ok(()) => {
                let ok = [0, 0, 0, 2, 0, 0, 0];
                self.client.send(sequence, &ok).await.map_err(|_| Broken::Client)?;
                self.release();
                Ok(())
            }
            Err(refused) => {
                let error = match refused {
                    Refused::Sql(error) => error,
                    Refused::Broken => gone(),
                };
                let _ = self.client.send(sequence, &error.payload()).await;
                let _ = self.client.stream.shutdown().await;
                Err(Broken::Server)
            }
        }
    }

    async fn serve(&mut self) -> Result<(), Broken> {
        loop {
            let Some(header) = self.client.header().await.map_err(|_| Broken::Client)? else {
                return Ok(());
            };
            let looked = HEADER + header.length.min(JUDGED);
            if header.length == 0 || !self.client.fill(looked).await.map_err(|_| Broken::Client)? {
                return Err(Broken::Client);
            }
            let kind = self.client.buffer[HEADER];
            match kind {
                command::QUIT => return Ok(()),
                command::PING if self.held.is_none() => {
                    self.skip().await?;
                    let [low, high] = self.status.to_le_bytes();
                    self.say(&[0, 0, 0, low, high, 0, 0]).await?;
                }
                command::INIT_DB
                | command::QUERY
                | command::FIELD_LIST
                | command::STATISTICS
                | command::PING
                | command::STMT_PREPARE
                | command::STMT_EXECUTE
                | command::STMT_SEND_LONG_DATA
                | command::STMT_CLOSE
                | command::STMT_RESET
                | command::SET_OPTION
                | command::STMT_FETCH
                | command::RESET_CONNECTION => self.command(kind, header.length).await?,
                // Among them replication, shutting down, and killing by numbers that are not the client's own.
                _ => {
                    self.skip().await?;
                    self.say(&SqlError::new(1047, "08S01", "Unknown command").payload())
                        .await?;
                }
            }
        }
    }

    /// One command and its response.
    async fn command(&mut self, kind: u8, length: usize) -> Result<(), Broken> {
        let judged = HEADER + 1..HEADER + length.min(JUDGED);
        let argument = self.client.buffer.get(judged).unwrap_or_default().to_vec();
        let effects = match kind {
            command::QUERY | command::STMT_PREPARE => statement::effects(&argument),
            command::SET_OPTION => statement::Effects {
                pins: true,
                ..statement::Effects::default()
            },
            _ => statement::Effects::default(),
        };
        if let Err(refused) = self.hold(effects.reads_insert_id).await {
            let error = match refused {
                Refused::Sql(error) => error,
                Refused::Broken => gone(),
            };
            self.skip().await?;
            return self.say(&error.payload()).await;
        }
        if effects.pins {
            self.pin();
        }
        let Some(held) = &mut self.held else {
            return Err(Broken::Server);
        };
        let server = &mut held.lent.connection.connection.framed;
        relay::forward(&mut self.client, &mut server.stream).await?;
        let Some(response) = Response::to(kind) else {
            return Ok(());
        };
        let outcome = match relay::respond(server, &mut self.client.stream, response).await {
            Ok(outcome) => outcome,
            Err(broken) => {
                self.lost(matches!(broken, Broken::Server)).await;
                return Err(broken);
            }
        };
        self.learn(kind, &argument, effects, outcome);
        if outcome.is_error && length >= FULL {
            // A server that takes a packet of this size for too large closes the connection; so does the proxy.
            self.held = None;
            return Err(Broken::Server);
        }
        self.release();
        Ok(())
    }

    /// What the session is after a command.
    fn learn(&mut self, kind: u8, argument: &[u8], effects: statement::Effects, outcome: Outcome) {
        if let Some(flags) = outcome.status {
            self.status = flags & (status::IN_TRANSACTION | status::AUTOCOMMIT);
        }
        // An error does not say whether it ended the transaction, which is taken to go on until a response tells.
        if outcome.insert_id != 0 {
            self.insert_id = outcome.insert_id;
        }
        if outcome.is_error {
            return;
        }
        match kind {
            command::STMT_PREPARE => {
                // It belongs to the connection.
                self.pin();
            }
            command::RESET_CONNECTION => {
                self.setup.clear();
                self.insert_id = 0;
                self.status = status::AUTOCOMMIT;
            }
            command::INIT_DB => self.entered(argument.to_vec()),
            command::QUERY if effects.uses => match statement::used_database(argument) {
                Some(database) => self.entered(database),
                None => self.pin(),
            },
            command::QUERY if effects.sets => self.remember(argument.to_vec()),
            _ => {}
        }
    }

    fn entered(&mut self, database: Vec<u8>) {
        if let Some(held) = &mut self.held {
            held.lent.connection.database.clone_from(&database);
        }
        self.database = database;
    }

    fn remember(&mut self, sql: Vec<u8>) {
        self.setup.retain(|earlier| *earlier != sql);
        self.setup.push(sql);
        if self.setup.len() > MAX_SETUP || self.setup.iter().map(Vec::len).sum::<usize>() > MAX_SETUP_BYTES {
            self.pin();
        }
    }

    fn pin(&mut self) {
        self.is_pinned = true;
        if let Some(held) = &mut self.held {
            self.front.pool.pin(&mut held.lent.place);
        }
    }

    /// Gives the connection back between two transactions.
    fn release(&mut self) {
        if self.is_pinned || self.status & status::IN_TRANSACTION != 0 {
            return;
        }
        if let Some(held) = self.held.take() {
            self.front.pool.give_back(held.lent);
        }
    }

    /// Sees to it that the session has a server connection, started and set up if need be.
    async fn hold(&mut self, needs_insert_id: bool) -> Result<(), Refused> {
        if self.held.is_some() {
            return Ok(());
        }
        let lease = self.front.database.lease();
        let running = self.front.database.awake(&lease).await;
        let running = running.map_err(|error| {
            Refused::Sql(SqlError::new(
                1053,
                "08S01",
                format!("The database could not be started: {error}"),
            ))
        })?;
        let taken = self
            .front
            .backend(&running, &self.account, self.thread, &self.database)
            .await;
        let lent = taken.map_err(refusal)?;
        let was_own = lent.served == self.thread;
        self.enter(lent, lease).await?;
        if needs_insert_id && !was_own && self.insert_id != 0 {
            self.ask(
                command::QUERY,
                format!("SET LAST_INSERT_ID = {}", self.insert_id).as_bytes(),
            )
            .await?;
        }
        Ok(())
    }

    /// Makes a connection the session's: what another session left in it goes, what this one has set comes.
    async fn enter(&mut self, mut lent: Lent<Backend>, lease: Lease) -> Result<(), Refused> {
        let is_own = lent.served == self.thread;
        let is_new = lent.served == 0;
        lent.served = self.thread;
        let elsewhere = lent.connection.database != self.database && !self.database.is_empty();
        lent.connection.database.clone_from(&self.database);
        self.held = Some(Held { lent, _lease: lease });
        let mut said: Vec<(u8, Vec<u8>)> = Vec::new();
        if !is_own && !is_new {
            said.push((command::RESET_CONNECTION, Vec::new()));
        }
        if elsewhere {
            said.push((command::INIT_DB, self.database.clone()));
        }
        if !is_own {
            said.extend(self.setup.iter().map(|sql| (command::QUERY, sql.clone())));
        }
        self.ask_all(&said).await
    }

    async fn ask(&mut self, kind: u8, argument: &[u8]) -> Result<(), Refused> {
        self.ask_all(&[(kind, argument.to_vec())]).await
    }

    /// Says commands of the proxy's own to the server, all at once, and hears that each is OK.
    async fn ask_all(&mut self, said: &[(u8, Vec<u8>)]) -> Result<(), Refused> {
        let Some(held) = self.held.as_mut().filter(|_| !said.is_empty()) else {
            return Ok(());
        };
        let framed = &mut held.lent.connection.connection.framed;
        let asking = async {
            let mut bytes = Vec::new();
            for (kind, argument) in said {
                let mut payload = vec![*kind];
                payload.extend(argument);
                bytes.extend(frame(0, &payload));
            }
            framed.stream.write_all(&bytes).await?;
            for _ in said {
                let (_, payload) = framed.packet(JUDGED).await?;
                if payload.first() == Some(&0xff) {
                    return Ok(Err(SqlError::of(&payload)));
                }
            }
            Ok::<_, std::io::Error>(Ok(()))
        };
        match tokio::time::timeout(TAKE_OVER, asking).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => {
                self.held = None;
                Err(Refused::Sql(error))
            }
            Ok(Err(_)) | Err(_) => {
                self.held = None;
                Err(Refused::Broken)
            }
        }
    }

    /// The connection broke: says so to a client that still listens.
    async fn lost(&mut self, is_server: bool) {
        let held = self.held.take();
        if is_server && let Some(mut held) = held {
            let words = relay::last_words(&mut held.lent.connection.connection.framed).await;
            let payload = words.unwrap_or_else(|| gone().payload());
            let _ = self.client.send(1, &payload).await;
        }
    }

    /// Leaves out the command that is in the buffer.
    async fn skip(&mut self) -> Result<(), Broken> {
        relay::forward(&mut self.client, &mut tokio::io::sink()).await
    }

    async fn say(&mut self, payload: &[u8]) -> Result<(), Broken> {
        self.client.send(1, payload).await.map_err(|_| Broken::Client)
    }
}

fn refusal(error: NoConnection<ClientError>) -> Refused {
    match error {
        NoConnection::Busy => Refused::Sql(SqlError::new(1040, "08004", "Too many connections")),
        NoConnection::Failed(ClientError::Sql(error)) => Refused::Sql(error),
        NoConnection::Failed(_) => Refused::Broken,
    }
}

fn gone() -> SqlError {
    SqlError::new(1053, "08S01", "Server shutdown in progress")
}
