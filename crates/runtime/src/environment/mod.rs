//! One execution environment: a task that owns a sandbox, gives it one event after another, and ends with it.

mod event;
mod output;
mod process;
mod start;
mod task;

pub(crate) use process::{Launch, Occurrence, Process, Spare, launch_error};
pub(crate) use start::{First, Host, Prepared, Purpose, start};

use crate::pool::{Handle, Slot};
use crate::{Invocation, RuntimeError, StreamEnd, Usage};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// An event on its way to an environment.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) invocation: Invocation,
    /// Held until the event is over, whether or not somebody waits for it.
    pub(crate) slot: Slot,
    /// The environment's own handle, which it puts back into the pool when it can take another event.
    pub(crate) handle: Handle,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What an environment says to who gave it an event.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The event is over.
    Done(Finished),
    /// The function streams its answer.
    Stream(Streaming),
    /// The environment ended before it saw the event: another one can have it.
    Returned(Invocation, Slot),
    /// No environment could be made.
    Failed(RuntimeError),
}

/// An event that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) payload: Bytes,
    /// AWS's error type, when the function failed.
    pub(crate) error: Option<String>,
    pub(crate) log_tail: Option<Bytes>,
    pub(crate) usage: Usage,
}

/// An answer in pieces.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) content_type: Option<String>,
    pub(crate) chunks: mpsc::Receiver<Bytes>,
    pub(crate) end: oneshot::Receiver<StreamEnd>,
}
