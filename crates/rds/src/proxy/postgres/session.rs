//! One client, from its start to its end.

use super::super::pool::{Lent, NoConnection};
use super::super::stream::Stream;
use super::greet::{self, Greeted, Registered};
use super::relay::{End, JUDGED, Watched, relay};
use super::{Account, Backend, Postgres};
use crate::postgres::client::ClientError;
use crate::postgres::frame::{Framed, HEADER, READ, header_of, message};
use crate::postgres::{PgError, backend};
use crate::server::{Database, Lease, Running};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How long the server may take to take over a session.
const TAKE_OVER: Duration = Duration::from_secs(30);
/// The code of a server that cannot be reached.
const NOT_THERE: &str = "57P03";
/// How long a client may take to hear that its session is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves a client until it leaves.
pub(crate) async fn run(front: &Postgres, stream: TcpStream) {
    let Some(greeted) = greet::greet(front, stream).await else {
        return;
    };
    let Greeted {
        framed,
        account,
        registered,
        lease,
        running,
    } = greeted;
    let mut session = Session {
        front,
        client: framed,
        account,
        registered,
        watched: Watched::default(),
    };
    if let Err(error) = session.serve(lease, running).await {
        let telling = greet::refuse(&mut session.client, &error);
        // A client that does not listen has left.
        let _ = tokio::time::timeout(FAREWELL, telling).await;
    }
}

struct Session<'f> {
    front: &'f Postgres,
    client: Framed<Stream>,
    account: Arc<Account>,
    registered: Registered<'f>,
    watched: Watched,
}

impl Session<'_> {
    /// An error is the last that the client hears.
    async fn serve(&mut self, lease: Lease, running: Arc<Running>) -> Result<(), PgError> {
        let mut running = running;
        // The server has its own reasons to refuse.
        let lent = self.connect(&lease, &mut running).await?;
        let mut welcome = message(backend::AUTHENTICATION, &0_u32.to_be_bytes());
        welcome.extend(&lent.connection.connection.statuses);
        let key = [
            self.registered.process.to_be_bytes(),
            self.registered.secret.to_be_bytes(),
        ]
        .concat();
        welcome.extend(message(backend::BACKEND_KEY, &key));
        welcome.extend(message(backend::READY, b"I"));
        self.front.pool.give_back(lent);
        drop((lease, running));
        if self.client.send(&welcome).await.is_err() {
            return Ok(());
        }
        loop {
            if self.hear().await.is_err() {
                return Ok(());
            }
            // No server is woken for a farewell.
            if self.client.buffer.starts_with(b"X") {
                return Ok(());
            }
            let lease = self.front.database.lease();
            let mut running = self.awake(&lease).await?;
            let lent = self.connect(&lease, &mut running).await?;
            match self.hold(lent, &running).await {
                End::Idle => {}
                End::Left | End::ClientGone => return Ok(()),
                // The server itself has said it.
                End::ServerGone if self.watched.is_over => return Ok(()),
                End::ServerGone => {
                    return Err(PgError::fatal(
                        "57P01",
                        "terminating connection: the server has ended it",
                    ));
                }
            }
        }
    }

    /// Waits until the client has said as much as the relay has to see: half a statement holds no server connection.
    async fn hear(&mut self) -> io::Result<()> {
        let buffer = &mut self.client.buffer;
        loop {
            if let Some(header) = header_of(buffer)?
                && buffer.len() >= HEADER + header.length.min(JUDGED)
            {
                return Ok(());
            }
            buffer.reserve(READ);
            if self.client.stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn awake(&self, lease: &Lease) -> Result<Arc<Running>, PgError> {
        let awake = self.front.database.awake(lease).await;
        awake.map_err(|error| PgError::fatal(NOT_THERE, format!("the database could not be started: {error}")))
    }

    /// The same as [`Session::take`]; of another server when this one was just killed.
    async fn connect(&self, lease: &Lease, running: &mut Arc<Running>) -> Result<Lent<Backend>, PgError> {
        let taken = self.take(running).await;
        let is_gone = taken.as_ref().is_err_and(|error| error.code == NOT_THERE);
        if is_gone && Database::has_ended(running).await {
            *running = self.awake(lease).await?;
            return self.take(running).await;
        }
        taken
    }

    /// A server connection that is as the session has made it.
    async fn take(&self, running: &Arc<Running>) -> Result<Lent<Backend>, PgError> {
        let taken = self
            .front
            .backend(running, &self.account, self.registered.process)
            .await;
        let mut lent = taken.map_err(|error| match error {
            NoConnection::Busy => PgError::fatal("53300", "sorry, too many clients already"),
            NoConnection::Failed(ClientError::Sql(error)) => error,
            NoConnection::Failed(error) => PgError::fatal(NOT_THERE, format!("the database does not answer: {error}")),
        })?;
        let was_own = lent.served == self.registered.process;
        lent.served = self.registered.process;
        if was_own {
            return Ok(lent);
        }
        let backend = &mut lent.connection;
        let taking_over = async {
            if backend.is_changed {
                backend.connection.run("DISCARD ALL").await?;
            }
            for sql in &self.watched.setup {
                backend.connection.run(&String::from_utf8_lossy(sql)).await?;
            }
            Ok::<_, ClientError>(())
        };
        match tokio::time::timeout(TAKE_OVER, taking_over).await {
            Ok(Ok(())) => {
                backend.is_changed = !self.watched.setup.is_empty();
                Ok(lent)
            }
            Ok(Err(_)) | Err(_) => Err(PgError::fatal(
                "57P01",
                "terminating connection: the session could not be taken over",
            )),
        }
    }

    /// Lets the session have a server connection until it is between two transactions.
    async fn hold(&mut self, mut lent: Lent<Backend>, running: &Arc<Running>) -> End {
        let key = lent.connection.connection.key;
        self.registered.runs_on(Some((Arc::clone(running), key)));
        let server = &mut lent.connection.connection.framed;
        let (pool, place) = (&self.front.pool, &mut lent.place);
        let end = relay(
            &mut self.watched,
            (&mut self.client.stream, &mut self.client.buffer),
            (&mut server.stream, &mut server.buffer),
            || pool.pin(place),
        )
        .await;
        self.registered.runs_on(None);
        if end == End::Idle {
            lent.connection.is_changed = !self.watched.setup.is_empty();
            self.front.pool.give_back(lent);
        }
        // Else it is closed, and its transaction rolled back.
        end
    }
}
