//! The start of a client, within bounds of time and size.

use super::super::stream::Stream;
use super::{Account, Cancel, Postgres, locked};
use crate::postgres::PgError;
use crate::postgres::frame::{Framed, message};
use crate::postgres::scram::{Challenge, Keys, MECHANISM, Verifier};
use crate::postgres::startup::{First, Start, first, negotiation};
use crate::postgres::{backend, frontend};
use crate::server::launch::ADMIN;
use crate::server::{Database, Lease, Running, ServerError};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long a client may take to say who it is, and again to prove it; a start of the server is not counted.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest first packet, as the server has it.
const MAX_FIRST: usize = 10_000;
/// The largest message of an authentication.
const MAX_PROOF: usize = 4 * 1024;

/// A client that proved who it is.
pub(super) struct Greeted<'f> {
    pub(super) framed: Framed<Stream>,
    pub(super) account: Arc<Account>,
    pub(super) registered: Registered<'f>,
    pub(super) lease: Lease,
    pub(super) running: Arc<Running>,
}

/// A client's place among those whose statements can be cancelled.
pub(super) struct Registered<'f> {
    front: &'f Postgres,
    pub(super) process: u32,
    pub(super) secret: u32,
}

impl<'f> Registered<'f> {
    fn new(front: &'f Postgres) -> io::Result<Self> {
        let mut secret = [0; 4];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let registered = Self {
            front,
            process: front.next_process(),
            secret: u32::from_be_bytes(secret),
        };
        let cancel = Cancel {
            secret: registered.secret,
            backend: None,
        };
        locked(&front.cancels).insert(registered.process, cancel);
        Ok(registered)
    }

    /// Which server connection its statements run on.
    pub(super) fn runs_on(&self, backend: Option<(Arc<Running>, (u32, u32))>) {
        if let Some(cancel) = locked(&self.front.cancels).get_mut(&self.process) {
            cancel.backend = backend;
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        locked(&self.front.cancels).remove(&self.process);
    }
}

/// Shakes hands; the server is started as soon as the client has said something that can be right. `None` when the client is
/// not let in, which it has been told.
pub(super) async fn greet(front: &Postgres, stream: TcpStream) -> Option<Greeted<'_>> {
    let heard = tokio::time::timeout(TIMEOUT, hear(front, stream)).await;
    // Half a start, or one of something else.
    let (mut framed, start) = heard.ok()?.ok()??;
    let lease = front.database.lease();
    let admitted = admit(front, &mut framed, &lease, &start).await;
    let refused = match admitted {
        Ok((running, keys)) => {
            return Some(Greeted {
                framed,
                account: Arc::new(Account { start, keys }),
                registered: Registered::new(front).ok()?,
                lease,
                running,
            });
        }
        Err(refused) => refused,
    };
    if let Refused::Said(error) = refused {
        let _ = tokio::time::timeout(TIMEOUT, refuse(&mut framed, &error)).await;
    }
    None
}

/// Why a client is not let in.
enum Refused {
    /// It is told.
    Said(PgError),
    /// It left, or said what is no answer.
    Gone,
}

impl From<PgError> for Refused {
    fn from(error: PgError) -> Self {
        Self::Said(error)
    }
}

pub(super) async fn refuse(framed: &mut Framed<Stream>, error: &PgError) -> io::Result<()> {
    framed.send(&error.message()).await?;
    framed.stream.shutdown().await
}

async fn hear(front: &Postgres, stream: TcpStream) -> io::Result<Option<(Framed<Stream>, Start)>> {
    let mut framed = Framed::new(Stream::Plain(stream));
    loop {
        let packet = framed.first_packet(MAX_FIRST).await?;
        match first(&packet) {
            Some(First::Cancel { process, secret }) => {
                front.cancel(process, secret).await;
                return Ok(None);
            }
            Some(First::Gssapi) => framed.send(b"N").await?,
            Some(First::Tls) => match (&front.tls, framed.stream) {
                (Some(tls), Stream::Plain(mut stream)) => {
                    // It starts while they shake hands.
                    front.database.prompt();
                    stream.write_all(b"S").await?;
                    framed = Framed::new(Stream::encrypted(tls, stream, "postgresql").await?);
                }
                (_, stream) => {
                    framed = Framed::new(stream);
                    framed.send(b"N").await?;
                }
            },
            Some(First::Start(start, beyond)) => {
                if let Some(unknown) = beyond {
                    framed.send(&negotiation(&unknown)).await?;
                }
                if start.replicates() {
                    refuse(&mut framed, &PgError::fatal("42501", "replication is not for clients")).await?;
                    return Ok(None);
                }
                return Ok(Some((framed, start)));
            }
            None => {
                refuse(&mut framed, &PgError::fatal("0A000", "unsupported frontend protocol")).await?;
                return Ok(None);
            }
        }
    }
}

async fn admit(
    front: &Postgres,
    framed: &mut Framed<Stream>,
    lease: &Lease,
    start: &Start,
) -> Result<(Arc<Running>, Keys), Refused> {
    let not_started = |error: ServerError| {
        tracing::warn!(%error, "a database server could not be started for a client");
        PgError::fatal("57P03", format!("the database could not be started: {error}"))
    };
    let mut running = front.database.awake(lease).await.map_err(not_started)?;
    let mut asked = front.verifier(&running, &start.user).await;
    if asked.is_err() && Database::has_ended(&running).await {
        running = front.database.awake(lease).await.map_err(not_started)?;
        asked = front.verifier(&running, &start.user).await;
    }
    let verifier = asked.map_err(|error| {
        tracing::warn!(%error, "a database server does not say who its users are");
        PgError::fatal("57P03", "the database does not answer")
    })?;
    let verifier = verifier.filter(|_| start.user != ADMIN);
    let verifier = verifier.unwrap_or_else(|| Verifier::of_nobody(start.user.as_bytes(), &front.nobody));
    let proven = tokio::time::timeout(TIMEOUT, prove(framed, verifier)).await;
    match proven {
        Ok(Ok(Some(keys))) => Ok((running, keys)),
        Ok(Ok(None)) => Err(Refused::Said(PgError::fatal(
            "28P01",
            format!("password authentication failed for user \"{}\"", start.user),
        ))),
        Ok(Err(_)) | Err(_) => Err(Refused::Gone),
    }
}

fn authentication(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(backend::AUTHENTICATION, &[&kind.to_be_bytes()[..], rest].concat())
}

/// What the client logs in with, if it can prove it.
async fn prove(framed: &mut Framed<Stream>, verifier: Verifier) -> io::Result<Option<Keys>> {
    framed
        .send(&authentication(10, &[MECHANISM.as_bytes(), b"\0\0"].concat()))
        .await?;
    let said = answer(framed).await?;
    // The mechanism, a zero, a length, the message.
    let first = said
        .strip_prefix(MECHANISM.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\0"));
    let first = first.and_then(|rest| rest.get(4..)).unwrap_or_default();
    let Some(challenge) = Challenge::answer(verifier, first) else {
        return Ok(None);
    };
    framed.send(&authentication(11, challenge.said.as_bytes())).await?;
    let said = answer(framed).await?;
    let Some((keys, last)) = challenge.check(&said) else {
        return Ok(None);
    };
    framed.send(&authentication(12, last.as_bytes())).await?;
    Ok(Some(keys))
}

async fn answer(framed: &mut Framed<Stream>) -> io::Result<bytes::Bytes> {
    match framed.message(MAX_PROOF).await? {
        (frontend::PASSWORD, body) => Ok(body),
        _ => Err(io::Error::other("not the answer to a challenge")),
    }
}

/// Tells a client that there are too many.
pub(crate) async fn refuse_too_many(stream: TcpStream) {
    let telling = async {
        let mut framed = Framed::new(Stream::Plain(stream));
        // It takes an error for an answer only to what it has said.
        let packet = framed.first_packet(MAX_FIRST).await?;
        if matches!(first(&packet), Some(First::Tls | First::Gssapi)) {
            framed.send(b"N").await?;
            framed.first_packet(MAX_FIRST).await?;
        }
        refuse(&mut framed, &PgError::fatal("53300", "sorry, too many clients already")).await
    };
    let _ = tokio::time::timeout(TIMEOUT, telling).await;
}
