//! The one owner of writes: what clients put and what functions print goes through one task, so that all that waits at
//! the same time shares a commit.

use crate::append::{Addition, Placed, append};
use crate::chunk::Event;
use crate::error::LogsError;
use crate::live_tail::{Tailed, Tails};
use crate::position::Sequence;
use crate::sink::{SinkBuffer, Waiting};
use danbi_core::{Clock, LogStreamName};
use danbi_store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// Requests that may wait for the writer before further ones wait to be accepted.
const QUEUE: usize = 1024;
/// Bytes of messages in one commit; compressed or not, they fit a transaction.
const COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// What an event takes beside its message when it has a chunk of its own.
const EVENT_OVERHEAD: usize = 200;
/// Streams in one commit.
const COMMIT_STREAMS: usize = 1000;
/// How long a client's events may take to be stored before the request is given up.
const PUT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before lines that could not be written are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A handle to the writer.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Put(Put),
    Flush(oneshot::Sender<()>),
    Stop,
}

#[derive(Debug)]
struct Put {
    stream: LogStreamName,
    events: Vec<Event>,
    reply: oneshot::Sender<Result<(), LogsError>>,
}

impl Writer {
    /// Stores `events`, which are in the order of their times, and returns when they are on disk.
    pub(crate) async fn put(&self, stream: LogStreamName, events: Vec<Event>) -> Result<(), LogsError> {
        let (reply, answer) = oneshot::channel();
        let put = async {
            self.commands
                .send(Command::Put(Put { stream, events, reply }))
                .await
                .ok()?;
            answer.await.ok()
        };
        timeout(PUT_TIMEOUT, put)
            .await
            .ok()
            .flatten()
            .unwrap_or(Err(LogsError::Unavailable))
    }

    /// Returns when every line that was accepted before is on disk.
    pub(crate) async fn flush(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Flush(reply)).await.is_ok() {
            // The writer ended meanwhile: it flushes before it does.
            let _ = answer.await;
        }
    }

    /// Asks the writer to store what waits and to end.
    pub(crate) async fn stop(&self) {
        // It has ended already.
        let _ = self.commands.send(Command::Stop).await;
    }
}

/// The writer itself.
pub(crate) struct WriterTask {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<SinkBuffer>,
    pub(crate) tails: Tails,
    pub(crate) sequence: Sequence,
    /// How long a line waits for others.
    pub(crate) flush_interval: Duration,
}

/// A commit failed; the lines of the sink wait for the next attempt.
#[derive(Debug)]
struct LinesStayed;

/// What one turn of the writer is to do.
#[derive(Default)]
struct Turn {
    puts: Vec<Put>,
    bytes: usize,
    flushes: Vec<oneshot::Sender<()>>,
    stop: bool,
}

impl Turn {
    fn add(&mut self, command: Command) {
        match command {
            Command::Put(put) => {
                self.bytes += put
                    .events
                    .iter()
                    .map(|event| event.message.len() + EVENT_OVERHEAD)
                    .sum::<usize>();
                self.puts.push(put);
            }
            Command::Flush(reply) => self.flushes.push(reply),
            Command::Stop => self.stop = true,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= COMMIT_BYTES || self.puts.len() >= COMMIT_STREAMS
    }
}

impl WriterTask {
    /// Makes the handle and the future that does the work; the caller owns both.
    pub(crate) fn start(self) -> (Writer, impl Future<Output = ()> + Send) {
        let (commands, inbox) = mpsc::channel(QUEUE);
        (Writer { commands }, self.run(inbox))
    }

    async fn run(self, mut inbox: mpsc::Receiver<Command>) {
        let mut due: Option<Instant> = None;
        loop {
            let mut turn = Turn::default();
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => turn.add(command),
                    None => turn.stop = true,
                },
                () = self.sink.filled(), if due.is_none() => {
                    due = Some(Instant::now() + self.flush_interval);
                    continue;
                }
                () = self.sink.pressing() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            while !turn.is_full() {
                let Ok(command) = inbox.try_recv() else { break };
                turn.add(command);
            }
            let stop = turn.stop;
            let written = self.take_turn(turn).await;
            if stop {
                return;
            }
            due = match written {
                Ok(()) if self.sink.is_empty() => None,
                Ok(()) => Some(Instant::now()),
                Err(LinesStayed) => Some(Instant::now() + RETRY_PAUSE),
            };
        }
    }

    /// Writes what the turn holds and, in one commit or as many as a flush takes, what the sink holds.
    async fn take_turn(&self, turn: Turn) -> Result<(), LinesStayed> {
        let asked = !turn.flushes.is_empty() || turn.stop;
        // While lines come in as fast as they are written, a flush is over when all that could wait before it is.
        let rounds = if asked { self.sink.limit() / COMMIT_BYTES + 2 } else { 1 };
        let mut puts = turn.puts;
        let mut room = COMMIT_BYTES.saturating_sub(turn.bytes);
        for _ in 0..rounds {
            let lines = self.sink.take(room, COMMIT_STREAMS);
            let durable = asked || !puts.is_empty();
            if durable || !lines.is_empty() {
                self.commit(std::mem::take(&mut puts), lines, durable).await?;
            }
            if self.sink.is_empty() {
                break;
            }
            room = COMMIT_BYTES;
        }
        for reply in turn.flushes {
            // Who asked may have stopped to listen.
            let _ = reply.send(());
        }
        Ok(())
    }

    async fn commit(
        &self,
        puts: Vec<Put>,
        lines: Vec<(LogStreamName, Waiting)>,
        durable: bool,
    ) -> Result<(), LinesStayed> {
        let now = self.clock.now().as_millis();
        let mut replies = Vec::with_capacity(puts.len());
        let mut additions = Vec::with_capacity(puts.len() + lines.len());
        for Put { stream, events, reply } in puts {
            additions.push(Addition::new(stream, false, events, now, &self.sequence));
            replies.push(reply);
        }
        for (stream, waiting) in &lines {
            additions.push(Addition::new(
                stream.clone(),
                true,
                waiting.events(now),
                now,
                &self.sequence,
            ));
        }
        let additions = Arc::new(additions);
        let work = |tx: danbi_store::Transaction| {
            let additions = Arc::clone(&additions);
            async move { append(&tx, &additions).await }
        };
        let outcome = if durable {
            self.store.transact(work).await
        } else {
            self.store.transact_relaxed(work).await
        };
        match outcome {
            Ok(placed) => {
                self.tell(&additions, &placed);
                for (reply, placed) in replies.into_iter().zip(placed) {
                    let answer = match placed {
                        Placed::Stored => Ok(()),
                        Placed::NoGroup => Err(LogsError::NoGroup),
                        Placed::NoStream => Err(LogsError::NoStream),
                        Placed::Damaged => Err(LogsError::Unavailable),
                    };
                    // A client that has gone does not want the answer.
                    let _ = reply.send(answer);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, streams = additions.len(), "logs: events could not be stored");
                for reply in replies {
                    let _ = reply.send(Err(LogsError::Unavailable));
                }
                let ended = matches!(error, LogsError::Store(StoreError::Closed | StoreError::Stopped(_)));
                if !ended && !lines.is_empty() {
                    self.sink.restore(lines);
                }
                Err(LinesStayed)
            }
        }
    }

    fn tell(&self, additions: &Arc<Vec<Addition>>, placed: &[Placed]) {
        if self.tails.is_idle() {
            return;
        }
        for (addition, placed) in additions.iter().zip(placed) {
            if *placed == Placed::Stored {
                self.tails.send(Tailed {
                    stream: addition.stream.clone(),
                    ingestion_time: addition.ingestion_time,
                    events: addition.events.clone(),
                });
            }
        }
    }
}
