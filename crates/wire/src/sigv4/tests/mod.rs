mod chunks;
mod other_signers;
mod properties;
mod published;
mod vectors;
mod verifying;

use super::*;
use async_trait::async_trait;
use danbi_core::{Clock, Credential, CredentialSource, Principal, SecretKey, ServiceError, Timestamp};
use futures_util::FutureExt;
use http::request::Parts;
use std::sync::Arc;

/// One credential, with or without a token.
pub(super) struct OneKey {
    pub id: &'static str,
    pub secret: &'static str,
    pub token: Option<&'static str>,
    pub expires: Option<Timestamp>,
}

#[async_trait]
impl CredentialSource for OneKey {
    async fn credential(&self, id: &str, token: Option<&str>) -> Result<Option<Credential>, ServiceError> {
        Ok((id == self.id && token == self.token).then(|| Credential {
            secret: SecretKey::new(self.secret),
            principal: Principal::Root(Default::default()),
            expires: self.expires,
        }))
    }
}

pub(super) struct At(pub Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    stamp::parse(text).unwrap()
}

pub(super) const PLAIN: OneKey = OneKey {
    id: "AKIDEXAMPLE",
    secret: "secret",
    token: None,
    expires: None,
};

pub(super) fn verifier(key: OneKey, now: Timestamp) -> Verifier {
    Verifier::new(Arc::new(key), Arc::new(At(now)))
}

/// The whole of what a server does with a buffered body.
pub(super) fn accept(
    verifier: &Verifier,
    view: &RequestView<'_>,
    rules: &Rules<'_>,
    body: &[u8],
) -> Result<Verified, SigV4Error> {
    let claim = Claim::parse(view)?.ok_or(SigV4Error::NotSigned)?;
    let payload = Payload::declared(view, &claim, rules)?;
    let verified = verifier.verify(view, &claim, rules, payload, Some(sha256(body)));
    let verified = verified.now_or_never().expect("nothing to wait for")?;
    verified.check(body)?;
    Ok(verified)
}

pub(super) fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}
