//! Answers from outside: custom resources and wait conditions send documents to links that only they know.

use crate::engine::CloudFormation;
use crate::records::{self, Callback};
use crate::{Error, Result, keys};
use bytes::Bytes;
use danbi_core::{Body, Scope, full_body, read_body};
use http::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Below which path the links are.
pub(crate) const PATH: &str = "/_aws/cloudformation";
/// How the buckets are called whose names answers are sent to; there are no such buckets.
pub const ANSWERS: &str = "cloudformation-custom-resource-response-";
/// Most bytes of an answer. Source: CloudFormation's "Response objects".
const MAX_BYTES: usize = 4_096;
/// Most answers that one link takes: wait conditions count them.
const MAX_ANSWERS: usize = 1_000;

/// Takes the answers; the gateway leads requests below `/_aws/cloudformation/` here.
#[derive(Clone)]
pub struct Callbacks(Arc<CloudFormation>);

impl Callbacks {
    /// The door to `engine`.
    pub fn new(engine: Arc<CloudFormation>) -> Self {
        Self(engine)
    }

    /// Answers a request for the link with `token`, which needs no signature: knowing the link is the right.
    pub async fn serve(&self, method: &Method, token: &str, body: Body) -> Response<Body> {
        let answer = |status, text: &str| {
            let mut response = Response::new(full_body(text.to_owned()));
            *response.status_mut() = status;
            response
        };
        if method != Method::PUT && method != Method::POST {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "Answers are sent by PUT.");
        }
        let body = match read_body(body, MAX_BYTES).await {
            Ok(body) => body,
            Err(_) => return answer(StatusCode::PAYLOAD_TOO_LARGE, "An answer has at most 4096 bytes."),
        };
        match self.0.take_answer(token, &body).await {
            Ok(true) => answer(StatusCode::OK, ""),
            Ok(false) => answer(StatusCode::FORBIDDEN, "Nobody waits for this answer any more."),
            Err(Error::Validation(message)) => answer(StatusCode::BAD_REQUEST, &message),
            Err(error) => {
                tracing::error!(%error, "an answer could not be kept");
                answer(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The answer could not be kept; send it again.",
                )
            }
        }
    }
}

/// Where a custom resource answers.
pub(crate) fn url(engine: &CloudFormation, scope: &Scope, token: &str) -> String {
    match &engine.options.answers {
        Some(base) => format!("{base}{PATH}/{token}"),
        None => {
            let region = scope.region.as_str().replace('-', "");
            format!("https://{ANSWERS}{region}.s3.amazonaws.com{PATH}/{token}")
        }
    }
}

fn digest(token: &str) -> String {
    danbi_core::hex::encode(Sha256::digest(token.as_bytes()))
}

impl CloudFormation {
    /// Makes a link for `logical_id`, the same for the same step; gives its token.
    pub(crate) async fn open_link(&self, stack: &str, logical_id: &str, step: &str, lasts: Duration) -> Result<String> {
        // Nobody can guess a step's random token, and this does not give it away.
        let token = digest(&format!("callback {stack} {logical_id} {step}"));
        let key = keys::callback(&digest(&token));
        let until = self
            .now()
            .plus_millis(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX))
            .as_millis();
        self.store
            .transact(async |tx| {
                if records::get::<Callback>(&tx, &key).await?.is_some() {
                    return Ok(());
                }
                let callback = Callback {
                    stack: stack.to_owned(),
                    logical_id: logical_id.to_owned(),
                    until,
                    answers: BTreeMap::new(),
                };
                records::put(&tx, &key, &callback).await
            })
            .await?;
        Ok(token)
    }

    /// Closes a link and forgets what came.
    pub(crate) async fn close_link(&self, token: &str) -> Result<()> {
        let key = keys::callback(&digest(token));
        self.store.transact(async |tx| records::delete(&tx, &key)).await
    }

    /// What came over a link.
    pub(crate) async fn answers(&self, token: &str) -> Result<Option<BTreeMap<String, String>>> {
        let snapshot = self.store.snapshot().await?;
        let callback: Option<Callback> = records::get(&snapshot, &keys::callback(&digest(token))).await?;
        Ok(callback.map(|callback| callback.answers))
    }

    async fn take_answer(&self, token: &str, body: &Bytes) -> Result<bool> {
        let document: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| Error::validation("The answer is not a JSON document."))?;
        let unique = ["UniqueId", "RequestId"]
            .iter()
            .find_map(|name| document.get(*name)?.as_str());
        let unique = unique.unwrap_or("").to_owned();
        self.keep_answer(token, &unique, document.to_string()).await
    }

    /// Keeps a document; whether somebody waits for it. The first one of a unique id counts.
    pub(crate) async fn keep_answer(&self, token: &str, unique: &str, document: String) -> Result<bool> {
        let key = keys::callback(&digest(token));
        let kept = self
            .store
            .transact(async |tx| {
                let Some(mut callback) = records::get::<Callback>(&tx, &key).await? else {
                    return Ok(false);
                };
                if callback.until <= self.now().as_millis() || callback.answers.len() >= MAX_ANSWERS {
                    return Ok(false);
                }
                callback
                    .answers
                    .entry(unique.to_owned())
                    .or_insert_with(|| document.clone());
                records::put(&tx, &key, &callback).await?;
                Ok::<_, Error>(true)
            })
            .await?;
        self.tell_settled();
        Ok(kept)
    }
}
