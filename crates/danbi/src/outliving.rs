//! API calls that are brought to their end whatever becomes of their clients.
//!
//! A call runs where its connection runs, so that it costs no task and no way from one thread to another. Only when its
//! client leaves, and the connection with it, does it go on in a task of its own.

use async_trait::async_trait;
use danbi_core::{Body, Client, Presence, ServiceError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Response;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The calls whose clients have left.
#[derive(Default)]
pub struct Outliving(Arc<Mutex<JoinSet<()>>>);

impl Outliving {
    /// Runs `call`, which is told of its client; whoever drops what this returns before it has an answer does not stop
    /// the call. A call that panics is answered with `fault`.
    ///
    /// # Panics
    /// When it is polled outside of a Tokio runtime.
    pub async fn run<F>(
        &self,
        call: impl FnOnce(Client) -> F,
        fault: fn(&ServiceError) -> Response<Body>,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let waiting = Arc::new(Waiting::default());
        let call = call(Client::new(Arc::clone(&waiting) as Arc<dyn Presence>));
        let call = async move {
            match AssertUnwindSafe(call).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    tracing::error!("an API call panicked");
                    fault(&ServiceError::server(
                        "InternalFailure",
                        500,
                        "The request processing has failed because of an unknown error, exception or failure.",
                    ))
                }
            }
        };
        Call {
            call: Some(call.boxed()),
            waiting,
            left: Arc::clone(&self.0),
            runtime: Handle::current(),
        }
        .await
    }

    /// Waits at most `grace` for the calls whose clients have left, then drops them.
    pub async fn drain(&self, grace: Duration) {
        let mut calls = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let finished = async { while calls.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!(left = calls.len(), "API calls did not finish in time and are dropped");
            calls.shutdown().await;
        }
    }
}

/// Whether a call's client still waits for it.
#[derive(Default)]
struct Waiting {
    left: AtomicBool,
    leaving: Notify,
}

impl Waiting {
    fn leave(&self) {
        self.left.store(true, Ordering::Release);
        self.leaving.notify_waiters();
    }
}

#[async_trait]
impl Presence for Waiting {
    async fn left(&self) {
        let mut leaving = pin!(self.leaving.notified());
        // From here on it is told, so that leaving between the look and the wait is not missed.
        leaving.as_mut().enable();
        if !self.left.load(Ordering::Acquire) {
            leaving.await;
        }
    }
}

/// A call whose client still waits.
struct Call {
    /// Nothing once it is done.
    call: Option<BoxFuture<'static, Response<Body>>>,
    waiting: Arc<Waiting>,
    left: Arc<Mutex<JoinSet<()>>>,
    runtime: Handle,
}

impl Future for Call {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Body>> {
        let Some(call) = &mut self.call else {
            return Poll::Pending;
        };
        let answer = call.poll_unpin(context);
        if answer.is_ready() {
            self.call = None;
        }
        answer
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        self.waiting.leave();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while left.try_join_next().is_some() {}
        left.spawn_on(call.map(drop), &self.runtime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::{empty_body, full_body};
    use http::StatusCode;
    use std::future::poll_fn;
    use tokio::sync::oneshot;

    fn fault(_: &ServiceError) -> Response<Body> {
        let mut response = Response::new(empty_body());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    #[tokio::test]
    async fn a_call_ends_although_its_client_has_left() {
        let calls = Outliving::default();
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let call = |client: Client| async move {
            client.left().await;
            client.left().await;
            let _ = gone.await;
            let _ = done.send(());
            Response::new(full_body("late"))
        };
        {
            let running = calls.run(call, fault);
            tokio::pin!(running);
            let waits = poll_fn(|context| Poll::Ready(running.as_mut().poll(context).is_pending()));
            assert!(waits.await);
        }
        let _ = go.send(());
        ended.await.unwrap();
        calls.drain(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let calls = Outliving::default();
        let response = calls.run(|_| async { panic!("told to") }, fault).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let response = calls.run(|_| async { Response::new(empty_body()) }, fault).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}
