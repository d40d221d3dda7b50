//! `Code.Location`: URLs that the platform signs itself, good for ten minutes, for a function's own archive.

use super::cache::blob_id;
use crate::{Error, keys};
use danbi_blobs::Blobs;
use danbi_core::{Body, Clock, RequestContext, full_body, hex};
use danbi_store::Store;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use sha2::Sha256;
use std::sync::Arc;

/// How long a download URL works, in seconds, as AWS's does.
const VALID_SECS: i64 = 600;
/// What the paths of downloads begin with.
const PREFIX: &str = "/_danbi/code/";

/// Makes and serves the URLs that code is downloaded from.
#[derive(Clone)]
pub struct Downloads {
    secret: Arc<[u8]>,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
}

impl Downloads {
    /// The path prefix that the gateway hands to [`Downloads::serve`].
    pub const PREFIX: &'static str = PREFIX;

    /// Reads the signing key from the store; makes it on first use.
    pub(crate) async fn open(store: &Store, blobs: Blobs, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut fresh = Vec::with_capacity(32);
        fresh.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
        fresh.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
        let secret = store
            .transact(async |tx| {
                if let Some(known) = tx.get(&keys::download_secret()).await? {
                    return Ok(known);
                }
                tx.put(&keys::download_secret(), fresh.clone())?;
                Ok::<_, Error>(fresh.clone().into())
            })
            .await?;
        Ok(Self {
            secret: secret.as_ref().into(),
            blobs,
            clock,
        })
    }

    /// A URL for the archive with this digest, on the host that the caller used.
    pub(crate) fn url(&self, context: &RequestContext, digest: &str) -> Result<String, Error> {
        let expires = self.clock.now().as_secs() + VALID_SECS;
        let token = hex::encode(self.mac(digest, expires)?.finalize().into_bytes());
        let scheme = if context.secure { "https" } else { "http" };
        Ok(format!(
            "{scheme}://{}{PREFIX}{digest}?expires={expires}&token={token}",
            context.host
        ))
    }

    /// Serves a request below [`Downloads::PREFIX`]: the archive, or 403 when the token is not good (any more).
    pub async fn serve(&self, request: &Parts) -> Response<Body> {
        if request.method != Method::GET && request.method != Method::HEAD {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        }
        let Some(digest) = self.permitted(&request.uri) else {
            return refuse(StatusCode::FORBIDDEN, "the download link is not valid, or no longer");
        };
        let archive = match blob_id(&digest) {
            Ok(id) => self.blobs.get(&id).await.ok(),
            Err(_) => None,
        };
        let Some(archive) = archive else {
            return refuse(StatusCode::NOT_FOUND, "the code is gone");
        };
        let length = archive.len();
        let body = if request.method == Method::HEAD {
            bytes::Bytes::new()
        } else {
            archive
        };
        let mut response = Response::new(full_body(body));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/zip"),
        );
        headers.insert(header::CONTENT_LENGTH, length.into());
        response
    }

    /// The digest that the URI asks for, when its token says so and it has not expired.
    fn permitted(&self, uri: &http::Uri) -> Option<String> {
        let digest = uri.path().strip_prefix(PREFIX)?;
        let (mut expires, mut token) = (None, None);
        for pair in uri.query()?.split('&') {
            match pair.split_once('=')? {
                ("expires", value) => expires = value.parse::<i64>().ok(),
                ("token", value) => token = hex::decode(value),
                _ => {}
            }
        }
        let expires = expires.filter(|expires| *expires >= self.clock.now().as_secs())?;
        // Compares in constant time.
        self.mac(digest, expires).ok()?.verify_slice(&token?).ok()?;
        Some(digest.into())
    }

    fn mac(&self, digest: &str, expires: i64) -> Result<Hmac<Sha256>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(Error::internal)?;
        mac.update(format!("{digest}\n{expires}").as_bytes());
        Ok(mac)
    }
}

fn refuse(status: StatusCode, why: &'static str) -> Response<Body> {
    let mut response = Response::new(full_body(why));
    *response.status_mut() = status;
    response
}
