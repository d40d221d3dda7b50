//! HTTP-server apps: any program that listens on `$PORT`, in the same sandboxes as functions, proxied to with bodies
//! that stream both ways and with WebSocket, many requests at once, started by the first request and ended when idle.

mod connection;
mod event;
mod instance;

use crate::environment::Host;
use crate::pool::Pool;
use crate::{FunctionSpec, Invocation, Outcome, RuntimeError, Usage};
use bytes::Bytes;
use danbi_core::{Body, read_body};
use instance::{Instance, Ticket};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The largest answer that [`Apps::invoke`] carries, which is a Lambda payload.
const MAX_BODY: usize = 6 * 1024 * 1024;

/// The running instances of every app.
pub(crate) struct Apps {
    host: Arc<Host>,
    running: Running,
}

/// By the key of warm reuse.
type Instances = HashMap<Arc<str>, Vec<Arc<Instance>>>;

#[derive(Clone, Default)]
struct Running(Arc<Mutex<Instances>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, Instances> {
        // A panic while the lock is held leaves whole map entries behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, key: &str, instance: &Arc<Instance>) {
        let mut running = self.lock();
        if let Some(instances) = running.get_mut(key) {
            instances.retain(|known| !Arc::ptr_eq(known, instance));
            if instances.is_empty() {
                running.remove(key);
            }
        }
    }
}

impl Apps {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            running: Running::default(),
        }
    }

    /// See [`crate::Runtime::http`].
    pub(crate) async fn request(
        &self,
        spec: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        let ticket = self.admit(&spec)?;
        connection::forward(ticket, request, spec.timeout).await
    }

    /// A Lambda invocation: an API Gateway v2 event in, its response out.
    pub(crate) async fn invoke(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<Outcome, RuntimeError> {
        let started = Instant::now();
        let (payload, failed) = match event::to_request(&invocation.payload) {
            Ok(request) => match self.request(spec, request).await {
                Ok(response) => answer(response).await,
                Err(RuntimeError::App(reason)) => (event::error("Danbi.AppError", &reason), true),
                Err(error) => return Err(error),
            },
            Err(reason) => (event::error("Danbi.NotAnHttpEvent", &reason), true),
        };
        let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
        let usage = Usage {
            duration_ms,
            billed_ms: duration_ms.ceil().max(1.0) as u64,
            ..Usage::default()
        };
        Ok(Outcome {
            payload,
            function_error: failed.then_some("Unhandled"),
            log_tail: None,
            usage,
        })
    }

    /// A place at the instance with the fewest requests, or at a new one.
    fn admit(&self, spec: &Arc<FunctionSpec>) -> Result<Ticket, RuntimeError> {
        if let Some(limit) = spec.max_concurrency.filter(|limit| *limit == 0) {
            return Err(RuntimeError::ConcurrencyLimit { limit });
        }
        let key = Pool::key(spec);
        let mut running = self.running.lock();
        let instances = running.entry(key.clone()).or_default();
        let free = instances
            .iter()
            .filter(|instance| instance.takes_requests())
            .min_by_key(|instance| instance.load());
        if let Some(ticket) = free.and_then(Ticket::take) {
            return Ok(ticket);
        }
        if let Some(limit) = spec.max_concurrency.filter(|limit| instances.len() >= *limit as usize) {
            return Err(RuntimeError::ConcurrencyLimit { limit });
        }
        let running_again = self.running.clone();
        let instance = instance::start(&self.host, spec, move |ended| running_again.remove(&key, ended))?;
        let ticket = Ticket::take(&instance);
        instances.push(instance);
        ticket.ok_or_else(|| RuntimeError::App("the app allows no request at all: DANBI_HTTP_CONCURRENCY".to_owned()))
    }
}

async fn answer(response: http::Response<Body>) -> (Bytes, bool) {
    let (head, body) = response.into_parts();
    match read_body(body, MAX_BODY).await {
        Ok(body) => (event::from_response(&head, &body), false),
        Err(error) => (
            event::error(
                "Danbi.AppError",
                &format!("the app's answer could not be read: {error}"),
            ),
            true,
        ),
    }
}
