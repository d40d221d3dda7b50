//! A server that runs.

use super::launch::ADMIN;
use super::volume::{Door, MARIADB_SOCKET, POSTGRES_SOCKET};
use super::{ServerError, ServerLog, Socket};
use crate::engines::Family;
use crate::mysql::client::{Account, ClientError, Connection};
use crate::mysql::native_password::Secret;
use crate::postgres;
use danbi_sandbox::Sandbox;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

/// How long a server may take to end by itself, writing out what it holds in memory.
const END_TIMEOUT: Duration = Duration::from_secs(120);
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection is kept that nobody has used: servers close those that say nothing for long.
const FRESH: Duration = Duration::from_secs(60);
/// What is kept of its last words.
const LAST_WORDS: usize = 4 * 1024;
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

/// Where the platform's own account of PostgreSQL asks what is not of one database.
const POSTGRES: &str = "postgres";

/// A connection of the platform's own account.
enum Administrator {
    MariaDb(Connection),
    Postgres(postgres::client::Connection),
}

/// A server that runs. Dropping it kills it.
pub(crate) struct Running {
    pub(crate) sandbox: Sandbox,
    /// No other start of any server has this number.
    pub(crate) generation: u64,
    pub(crate) door: Option<Door>,
    /// The connection by which the server was found to answer, for the first question to it.
    first: Mutex<Option<(Instant, Administrator)>>,
    family: Family,
    password: String,
    words: Arc<Mutex<String>>,
    listening: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listening.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    pub(super) fn new(
        mut sandbox: Sandbox,
        generation: u64,
        family: Family,
        password: String,
        log: ServerLog,
    ) -> io::Result<Self> {
        let log = Arc::new(log);
        let words = Arc::new(Mutex::new(String::new()));
        let mut listening = Vec::new();
        for pipe in [sandbox.take_stdout(), sandbox.take_stderr()].into_iter().flatten() {
            let (words, log) = (Arc::clone(&words), Arc::clone(&log));
            let pipe = Pipe::new(pipe)?;
            listening.push(tokio::spawn(async move { pipe.listen(&words, &log).await }));
        }
        Ok(Self {
            sandbox,
            generation,
            door: None,
            first: Mutex::default(),
            family,
            password,
            words,
            listening,
        })
    }

    /// A connection to its socket.
    pub(crate) async fn connect(&self) -> io::Result<Socket> {
        match &self.door {
            Some(door) => door.connect().await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The name of its socket.
    pub(super) fn socket(&self) -> &'static str {
        match self.family {
            Family::MariaDb => MARIADB_SOCKET,
            Family::Postgres => POSTGRES_SOCKET,
        }
    }

    /// Whether it takes connections.
    pub(super) async fn answers(&self) -> bool {
        let first = match self.family {
            Family::MariaDb => self.admin().await.ok().map(Administrator::MariaDb),
            Family::Postgres => self.postgres_admin(POSTGRES).await.ok().map(Administrator::Postgres),
        };
        let answers = first.is_some();
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = first.map(|first| (Instant::now(), first));
        answers
    }

    fn first(&self) -> Option<Administrator> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first
            .filter(|(since, _)| since.elapsed() < FRESH)
            .map(|(_, first)| first)
    }

    /// A connection of the platform's own account to a database of PostgreSQL's.
    pub(crate) async fn postgres_admin(
        &self,
        database: &str,
    ) -> Result<postgres::client::Connection, postgres::client::ClientError> {
        if database == POSTGRES
            && let Some(Administrator::Postgres(first)) = self.first()
        {
            return Ok(first);
        }
        let start = postgres::startup::Start {
            user: ADMIN.to_owned(),
            database: database.to_owned(),
            settings: Default::default(),
        };
        let secret = postgres::scram::Secret::Password(self.password.clone());
        self.postgres_log_in(&start, &secret).await
    }

    /// A connection of whoever `start` says to PostgreSQL.
    pub(crate) async fn postgres_log_in(
        &self,
        start: &postgres::startup::Start,
        secret: &postgres::scram::Secret,
    ) -> Result<postgres::client::Connection, postgres::client::ClientError> {
        let logging_in = async { postgres::client::Connection::log_in(self.connect().await?, start, secret).await };
        match tokio::time::timeout(LOGIN_TIMEOUT, logging_in).await {
            Ok(connection) => connection,
            Err(_) => Err(postgres::client::ClientError::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    /// A connection of the platform's own account to MariaDB, which may do anything.
    pub(crate) async fn admin(&self) -> Result<Connection, ClientError> {
        if let Some(Administrator::MariaDb(first)) = self.first() {
            return Ok(first);
        }
        let account = Account {
            user: ADMIN.into(),
            secret: Secret::of_password(&self.password),
            capabilities: 0,
            charset: CHARSET,
        };
        self.log_in(&account, b"").await
    }

    /// A connection of `account`.
    pub(crate) async fn log_in(&self, account: &Account, database: &[u8]) -> Result<Connection, ClientError> {
        let logging_in = async { Connection::log_in(self.connect().await?, account, database).await };
        match tokio::time::timeout(LOGIN_TIMEOUT, logging_in).await {
            Ok(connection) => connection,
            Err(_) => Err(ClientError::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    /// What it printed last, after its end.
    pub(super) async fn last_words(&mut self) -> String {
        for listening in &mut self.listening {
            // Its pipes are closed, so this ends; a panic in it has been reported.
            let _ = listening.await;
        }
        self.listening.clear();
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.trim().to_owned()
    }

    /// Lets it end as it should, and kills it when it takes too long.
    pub(crate) async fn end(&self) -> Result<(), ServerError> {
        let signal = match self.family {
            Family::MariaDb => rustix::process::Signal::TERM,
            // The other one waits for its clients to leave.
            Family::Postgres => rustix::process::Signal::INT,
        };
        if self.sandbox.signal(signal.as_raw()).await.is_ok()
            && tokio::time::timeout(END_TIMEOUT, self.sandbox.wait()).await.is_ok()
        {
            return Ok(());
        }
        if self.sandbox.exit().is_none() {
            tracing::warn!("a database server did not end by itself and is killed; it recovers at its next start");
        }
        self.sandbox.kill().await;
        Ok(())
    }
}

/// The end of a pipe out of a sandbox.
struct Pipe(pipe::Receiver);

impl Pipe {
    fn new(end: OwnedFd) -> io::Result<Self> {
        Ok(Self(pipe::Receiver::from_owned_fd(end)?))
    }

    /// Passes lines on to the platform's log and to the database's own, and keeps the last ones.
    async fn listen(mut self, words: &Mutex<String>, log: &ServerLog) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = self.0.read(&mut buffer).await {
            log.add(&buffer[..count]);
            let text = String::from_utf8_lossy(&buffer[..count]);
            for line in text.lines() {
                tracing::debug!("database server: {line}");
            }
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.push_str(&text);
            shorten(&mut words, LAST_WORDS);
        }
    }
}

/// The last `limit` bytes that come out of a pipe until it is closed.
pub(super) async fn tail(pipe: OwnedFd, limit: usize) -> String {
    let mut words = String::new();
    let Ok(mut pipe) = Pipe::new(pipe) else {
        return words;
    };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.0.read(&mut buffer).await {
        words.push_str(&String::from_utf8_lossy(&buffer[..count]));
        shorten(&mut words, limit);
    }
    words
}

fn shorten(words: &mut String, limit: usize) {
    if words.len() > limit {
        let mut cut = words.len() - limit;
        while !words.is_char_boundary(cut) {
            cut += 1;
        }
        words.drain(..cut);
    }
}
