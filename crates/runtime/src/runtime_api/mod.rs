//! The Lambda Runtime API, version 2018-06-01, as the process inside an environment speaks it.
//!
//! One server per environment, on the listener that the sandbox opened inside its network namespace. It parses and
//! answers; every decision is the environment's, asked through [`Call`]. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, and the public runtime interface emulator for
//! status codes and error documents.

mod credentials;
mod refusal;
mod route;
mod server;

pub(crate) use credentials::ContainerCredentials;
pub(crate) use refusal::Refusal;
pub(crate) use server::serve;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// The largest answer that is not streamed: 6 MiB and the 100 bytes that AWS adds.
pub(crate) const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 100;
/// The largest streamed answer, AWS's 200 MB since July 2025.
pub(crate) const MAX_STREAM: usize = 200 * 1024 * 1024;

/// An event as the process receives it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) deadline_ms: i64,
    pub(crate) invoked_arn: String,
    pub(crate) trace_id: String,
    pub(crate) client_context: Option<String>,
    pub(crate) cognito_identity: Option<String>,
    pub(crate) payload: Bytes,
}

/// How a streamed answer ended.
#[derive(Debug)]
pub(crate) enum StreamClose {
    /// All of it arrived.
    Complete,
    /// The function failed in the middle: the trailers' error type and document.
    Failed { error_type: String, document: Bytes },
    /// The connection broke.
    Truncated,
    /// More than [`MAX_STREAM`].
    TooLarge,
}

/// The whole environment of a process: names and values.
pub(crate) type Variables = Vec<(String, String)>;

pub(crate) type Verdict<T> = oneshot::Sender<Result<T, Refusal>>;

/// What the process asks of its environment. Every call is answered through its sender.
#[derive(Debug)]
pub(crate) enum Call {
    /// `GET /runtime/invocation/next`: answered when there is an event.
    Next { verdict: Verdict<Event> },
    /// `POST /runtime/invocation/{id}/response`.
    Answer {
        request_id: String,
        payload: Bytes,
        verdict: Verdict<()>,
    },
    /// The same, with more than [`MAX_PAYLOAD`].
    TooLarge { request_id: String, verdict: Verdict<()> },
    /// The same, broken off in the middle.
    Truncated { request_id: String, verdict: Verdict<()> },
    /// The same, with a response mode that does not exist.
    WrongMode { request_id: String, verdict: Verdict<()> },
    /// The same, streaming: answered with where to put the bytes.
    Stream {
        request_id: String,
        content_type: Option<String>,
        verdict: Verdict<mpsc::Sender<Bytes>>,
    },
    /// The end of a streamed answer.
    StreamEnd {
        request_id: String,
        close: StreamClose,
        verdict: Verdict<()>,
    },
    /// `POST /runtime/invocation/{id}/error`.
    Error {
        request_id: String,
        error_type: Option<String>,
        document: Bytes,
        verdict: Verdict<()>,
    },
    /// `GET /danbi/assignment`: a worker asks for its function's variables; answered once it has been given one.
    Assignment { verdict: Verdict<Variables> },
    /// `POST /runtime/init/error`.
    InitError {
        error_type: Option<String>,
        document: Bytes,
        verdict: Verdict<()>,
    },
}
