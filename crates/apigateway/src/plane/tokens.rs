//! JSON Web Tokens of user pools and other OpenID providers, verified with the keys that their issuer publishes.
//!
//! A provider ARN names the issuer: `arn:aws:cognito-idp:REGION:ACCOUNT:userpool/POOL` is
//! `https://cognito-idp.REGION.amazonaws.com/POOL`, as with AWS; `…:userpool/https://issuer.example` is that very URL, for
//! everybody who has no Cognito. Only RS256, the algorithm of Cognito, is taken.

use super::outbound::Outbound;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use danbi_core::{BodyError, Timestamp, empty_body, read_body};
use http::Request;
use http_body_util::BodyExt;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest token, in bytes; largest set of keys; issuers whose keys are kept, and for how long.
const MAX_TOKEN: usize = 16 * 1024;
const MAX_KEYS: usize = 256 * 1024;
const MAX_ISSUERS: usize = 256;
const KEPT_MS: i64 = 3_600_000;
/// A key that is not known may be new: the set is read again, but not for every forged token.
const AGAIN_MS: i64 = 30_000;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the issuer's keys cannot be had: {0}")]
    Keys(String),
}

/// One public key: modulus and exponent.
type Key = (Vec<u8>, Vec<u8>);

#[derive(Debug, Clone)]
struct KeySet {
    read: Timestamp,
    keys: Arc<HashMap<String, Key>>,
}

/// The keys of issuers.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    sets: Mutex<HashMap<String, KeySet>>,
}

fn issuer_of(provider: &str) -> Option<String> {
    let arn: danbi_core::Arn = provider.parse().ok()?;
    let pool = arn.resource.strip_prefix("userpool/")?;
    if pool.starts_with("https://") || pool.starts_with("http://") {
        return Some(pool.trim_end_matches('/').to_owned());
    }
    Some(format!("https://cognito-idp.{}.amazonaws.com/{pool}", arn.region))
}

fn part(text: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Invalid("not base64"))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(TokenError::Invalid("not JSON")),
    }
}

impl Tokens {
    /// The claims of a token that one of the providers issued.
    pub(crate) async fn verify(
        &self,
        outbound: &Outbound,
        token: &str,
        providers: &[String],
        now: Timestamp,
    ) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid("too long"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Invalid("not three parts"));
        };
        let (head, claims) = (part(header)?, part(payload)?);
        let text =
            |members: &Map<String, Value>, name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        if text(&head, "alg").as_deref() != Some("RS256") {
            return Err(TokenError::Invalid("another algorithm"));
        }
        let issuer = text(&claims, "iss").map(|issuer| issuer.trim_end_matches('/').to_owned());
        let issuer = issuer.filter(|issuer| {
            providers
                .iter()
                .filter_map(|arn| issuer_of(arn))
                .any(|known| known == *issuer)
        });
        let issuer = issuer.ok_or(TokenError::Invalid("another issuer"))?;
        let id = text(&head, "kid").ok_or(TokenError::Invalid("no key"))?;
        let key = self.key(outbound, &issuer, &id, now).await?;
        let signed = &token[..header.len() + 1 + payload.len()];
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Invalid("not base64"))?;
        let key = RsaPublicKeyComponents { n: &key.0, e: &key.1 };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Invalid("another signature"))?;
        let instant = |name: &str| claims.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch are exact in an f64")]
        let seconds = now.as_secs() as f64;
        if instant("exp").is_none_or(|until| until <= seconds) {
            return Err(TokenError::Expired);
        }
        if instant("nbf").is_some_and(|from| from > seconds) {
            return Err(TokenError::Invalid("not yet valid"));
        }
        Ok(claims)
    }

    async fn key(&self, outbound: &Outbound, issuer: &str, id: &str, now: Timestamp) -> Result<Key, TokenError> {
        let kept = {
            let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            sets.get(issuer).cloned()
        };
        if let Some(set) = kept {
            let age = now.as_millis() - set.read.as_millis();
            match set.keys.get(id) {
                Some(key) if age < KEPT_MS => return Ok(key.clone()),
                None if age < AGAIN_MS => return Err(TokenError::Invalid("unknown key")),
                _ => {}
            }
        }
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch(outbound, issuer)).await;
        let keys = Arc::new(fetched.map_err(|_| TokenError::Keys("it takes too long".into()))??);
        let set = KeySet {
            read: now,
            keys: Arc::clone(&keys),
        };
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MAX_ISSUERS {
            sets.clear();
        }
        sets.insert(issuer.to_owned(), set);
        keys.get(id).cloned().ok_or(TokenError::Invalid("unknown key"))
    }
}

async fn fetch(outbound: &Outbound, issuer: &str) -> Result<HashMap<String, Key>, TokenError> {
    let failed = |why: &dyn std::fmt::Display| TokenError::Keys(why.to_string());
    let request = Request::builder()
        .uri(format!("{issuer}/.well-known/jwks.json"))
        .body(empty_body());
    let request = request.map_err(|error| failed(&error))?;
    let response = outbound.send(request).await.map_err(|error| failed(&error))?;
    if !response.status().is_success() {
        return Err(TokenError::Keys(format!("it answers {}", response.status())));
    }
    let body = response
        .into_body()
        .map_err(|error| Box::new(error) as BodyError)
        .boxed_unsync();
    let body = read_body(body, MAX_KEYS).await.map_err(|error| failed(&error))?;
    let set: Value = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
    let read = |key: &Value| {
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
        Some((key["kid"].as_str()?.to_owned(), (bytes("n")?, bytes("e")?)))
    };
    Ok(set["keys"].as_array().into_iter().flatten().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_name_their_issuers() {
        assert_eq!(
            issuer_of("arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_abc").unwrap(),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
        );
        assert_eq!(
            issuer_of("arn:aws:cognito-idp:eu-west-1:000000000000:userpool/https://id.example/realm/").unwrap(),
            "https://id.example/realm"
        );
    }

    #[tokio::test]
    async fn forged_tokens_do_not_count() {
        let outbound = Outbound::new(None);
        let providers = ["arn:aws:cognito-idp:r:000000000000:userpool/https://id.example".to_owned()];
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let none = encode(serde_json::json!({ "alg": "none", "kid": "1" }));
        let claims = encode(serde_json::json!({ "iss": "https://id.example", "exp": 9e9 }));
        for token in ["", "a.b", "a.b.c", &format!("{none}.{claims}."), &"x".repeat(20_000)] {
            let verified = Tokens::default()
                .verify(&outbound, token, &providers, Timestamp::default())
                .await;
            assert!(matches!(verified, Err(TokenError::Invalid(_))), "{token}");
        }
    }
}
