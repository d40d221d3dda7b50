//! The handshake with a client, within bounds of time and size.

use super::super::stream::Stream;
use super::MySql;
use crate::mysql::client::Account;
use crate::mysql::frame::{Framed, frame};
use crate::mysql::greeting::{Greeting, Login, asks_for_tls, new_scramble, switch};
use crate::mysql::native_password::{Kept, LENGTH, Secret};
use crate::mysql::{NATIVE_PASSWORD, SqlError, capability, client};
use crate::server::launch::ADMIN;
use crate::server::{Database, Lease, Running, ServerError};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long a client may take to say who it is, a start of the server not counted.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest packet of a handshake: names, a token, attributes of the connection.
const MAX_PACKET: usize = 128 * 1024;
/// What is said by default: `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

/// What a client may ask for. Not among it: compression, local files, EOF packets left out, and tracking of the session,
/// which the proxy would have to see through.
const OFFERED: u32 = capability::LONG_PASSWORD
    | capability::FOUND_ROWS
    | capability::LONG_FLAG
    | capability::CONNECT_WITH_DB
    | capability::NO_SCHEMA
    | capability::IGNORE_SPACE
    | capability::PROTOCOL_41
    | capability::INTERACTIVE
    | capability::TRANSACTIONS
    | capability::SECURE_CONNECTION
    | capability::MULTI_STATEMENTS
    | capability::MULTI_RESULTS
    | capability::PS_MULTI_RESULTS
    | capability::PLUGIN_AUTH
    | capability::CONNECT_ATTRS
    | capability::PLUGIN_AUTH_LENENC;
/// What of it changes how the server behaves, and so has to be the same for clients that share a connection.
const SHARED_ALIKE: u32 = capability::FOUND_ROWS
    | capability::NO_SCHEMA
    | capability::IGNORE_SPACE
    | capability::INTERACTIVE
    | capability::MULTI_STATEMENTS
    | capability::MULTI_RESULTS
    | capability::PS_MULTI_RESULTS;

/// A client that said who it is.
pub(crate) struct Greeted {
    pub(crate) framed: Framed<Stream>,
    pub(crate) account: Account,
    pub(crate) database: Vec<u8>,
    /// The number of the packet that tells it whether it is welcome.
    pub(crate) sequence: u8,
    pub(crate) lease: Lease,
    pub(crate) running: Arc<Running>,
}

/// Shakes hands; the server is started as soon as the client has said something that can be right. `None` when the client is
/// not let in, which it has been told.
pub(crate) async fn greet(front: &MySql, stream: TcpStream, thread: u32, from: IpAddr) -> Option<Greeted> {
    let scramble = new_scramble().ok()?;
    let said = tokio::time::timeout(TIMEOUT, hear(front, stream, thread, &scramble)).await;
    let (mut framed, sequence, login) = match said {
        Ok(Ok(said)) => said?,
        // Half a handshake, or one of something else.
        Ok(Err(_)) | Err(_) => return None,
    };
    let lease = front.database.lease();
    let outcome = admit(front, &lease, &login, &scramble, from).await;
    let next = sequence.wrapping_add(1);
    match outcome {
        Ok((running, account)) => Some(Greeted {
            framed,
            account,
            database: login.database,
            sequence: next,
            lease,
            running,
        }),
        Err(error) => {
            let _ = framed.send(next, &error.payload()).await;
            let _ = framed.stream.shutdown().await;
            None
        }
    }
}

type Heard = Option<(Framed<Stream>, u8, Login)>;

async fn hear(front: &MySql, stream: TcpStream, thread: u32, scramble: &[u8; LENGTH]) -> io::Result<Heard> {
    let mut framed = Framed::new(Stream::Plain(stream));
    let tls = front.tls.as_ref().map_or(0, |_| capability::SSL);
    let greeting = Greeting {
        version: front.version.clone(),
        thread,
        scramble: *scramble,
        capabilities: OFFERED | tls,
    };
    framed.send(0, &greeting.payload(CHARSET)).await?;
    // Clients send the first bytes of TLS right behind the packet that asks for it.
    let (mut sequence, mut payload) = framed.packet_alone(MAX_PACKET).await?;
    if asks_for_tls(&payload) {
        let (Some(tls), Stream::Plain(stream), true) = (&front.tls, framed.stream, framed.buffer.is_empty()) else {
            return Err(io::Error::other("TLS where there is none, or something sent before it"));
        };
        // It starts while they shake hands.
        front.database.prompt();
        framed = Framed::new(Stream::encrypted(tls, stream, "mysql").await?);
        (sequence, payload) = framed.packet(MAX_PACKET).await?;
    }
    let Some(mut login) = Login::parse(&payload) else {
        let error = SqlError::new(1043, "08S01", "Bad handshake");
        framed.send(sequence.wrapping_add(1), &error.payload()).await?;
        return Ok(None);
    };
    let other_plugin = !login.plugin.is_empty() && login.plugin != NATIVE_PASSWORD.as_bytes();
    if other_plugin {
        framed.send(sequence.wrapping_add(1), &switch(scramble)).await?;
        let (answered, token) = framed.packet(MAX_PACKET).await?;
        sequence = answered;
        // Some clients end an empty answer with a zero.
        login.token = if *token == [0] { Vec::new() } else { token.to_vec() };
    }
    Ok(Some((framed, sequence, login)))
}

async fn admit(
    front: &MySql,
    lease: &Lease,
    login: &Login,
    scramble: &[u8; LENGTH],
    from: IpAddr,
) -> Result<(Arc<Running>, Account), SqlError> {
    let not_started = |error: ServerError| {
        tracing::warn!(%error, "a database server could not be started for a client");
        SqlError::new(1053, "08S01", format!("The database could not be started: {error}"))
    };
    let mut running = front.database.awake(lease).await.map_err(not_started)?;
    let user = String::from_utf8_lossy(&login.user).into_owned();
    let denied = || {
        let used = if login.token.is_empty() { "NO" } else { "YES" };
        SqlError::new(
            1045,
            "28000",
            format!("Access denied for user '{user}'@'{from}' (using password: {used})"),
        )
    };
    if user == ADMIN {
        return Err(denied());
    }
    let turn = front.asking.acquire().await;
    let mut kept = kept_of(&running, &user).await;
    if kept.is_err() && Database::has_ended(&running).await {
        running = front.database.awake(lease).await.map_err(not_started)?;
        kept = kept_of(&running, &user).await;
    }
    drop(turn);
    let kept = kept.map_err(|error| {
        tracing::warn!(%error, "a database server does not say who its users are");
        SqlError::new(1053, "08S01", "The database does not answer")
    })?;
    let secret: Secret = kept
        .and_then(|kept| kept.verify(scramble, &login.token))
        .ok_or_else(denied)?;
    let account = Account {
        user: login.user.clone(),
        secret,
        capabilities: login.capabilities & SHARED_ALIKE,
        charset: login.charset,
    };
    Ok((running, account))
}

/// What the server keeps of a user's password. Clients come to it over its socket, so it is the user `@localhost` if
/// there is one, else the one from anywhere.
async fn kept_of(running: &Running, user: &str) -> Result<Option<Kept>, client::ClientError> {
    let mut admin = running.admin().await?;
    let sql = format!(
        "SELECT JSON_VALUE(Priv, '$.plugin'), JSON_VALUE(Priv, '$.authentication_string') FROM mysql.global_priv \
         WHERE User = {} AND Host IN ('localhost', '%') AND COALESCE(JSON_VALUE(Priv, '$.is_role'), 'false') IN ('false', '0') \
         AND COALESCE(JSON_VALUE(Priv, '$.account_locked'), 'false') IN ('false', '0') \
         ORDER BY Host = 'localhost' DESC LIMIT 1",
        client::literal(user)
    );
    let answer = admin.query(&sql).await?;
    let Some([plugin, kept]) = answer.rows.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let text = |value: &Option<bytes::Bytes>| value.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
    match text(plugin).as_deref() {
        None | Some("" | NATIVE_PASSWORD) => Ok(Kept::parse(&text(kept).unwrap_or_default())),
        Some(_) => Ok(None),
    }
}

/// Tells a client that there are too many.
pub(crate) async fn refuse_too_many(mut stream: TcpStream) {
    let error = SqlError::new(1040, "08004", "Too many connections");
    let _ = tokio::time::timeout(TIMEOUT, stream.write_all(&frame(0, &error.payload()))).await;
}
