//! The server's side: is the claim true?

use super::canonical::{self, RequestView};
use super::chunked::{ChunkDecoder, ChunkSignatures, ChunkedBody};
use super::claim::{Claim, Location, parse_credential};
use super::error::{ScopeFault, SigV4Error};
use super::key::{KeyCache, SigningKey};
use super::payload::{HashedBody, Payload};
use super::rules::{Profile, Rules};
use super::{TERMINATOR, stamp};
use danbi_core::{Body, Clock, Credential, CredentialSource, Principal, Region, Timestamp};
use http_body_util::BodyExt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Verifies signatures against a [`CredentialSource`]. Cheap to share; holds at most 256 derived keys.
pub struct Verifier {
    credentials: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    keys: KeyCache,
}

impl Verifier {
    /// A verifier that finds secrets in `credentials` and reads the time from `clock`.
    pub fn new(credentials: Arc<dyn CredentialSource>, clock: Arc<dyn Clock>) -> Self {
        Self {
            credentials,
            clock,
            keys: KeyCache::new(),
        }
    }

    /// Accepts or refuses `claim` for this request: [`Verifier::vouch`] and [`Vouched::verify`] in one step, for callers
    /// that have the body already. `body_sha256` is needed for [`Payload::Whole`] and else ignored; none stands for the
    /// empty body.
    ///
    /// # Errors
    /// Those of both steps.
    pub async fn verify(
        &self,
        view: &RequestView<'_>,
        claim: &Claim,
        rules: &Rules<'_>,
        payload: Payload,
        body_sha256: Option<[u8; 32]>,
    ) -> Result<Verified, SigV4Error> {
        self.vouch(view, claim, rules).await?.verify(payload, body_sha256)
    }

    /// Refuses what can be refused before the body has been read: a scope that does not fit, an unknown key, an ended
    /// session, a wrong time, unsigned headers. Strangers then cannot make the server hold their bodies.
    ///
    /// # Errors
    /// Every [`SigV4Error`] about these; [`SigV4Error::Lookup`] when the credential source failed.
    pub async fn vouch<'v>(
        &'v self,
        view: &'v RequestView<'v>,
        claim: &'v Claim,
        rules: &'v Rules<'v>,
    ) -> Result<Vouched<'v>, SigV4Error> {
        // S3 looks at the time last; the others at nothing before it.
        let of_s3 = rules.profile == Profile::S3;
        if !of_s3 {
            check_time(claim, rules, self.clock.now())?;
        }
        check_scope(claim, rules)?;
        let credential = self
            .credential(&claim.access_key_id, claim.session_token.as_deref())
            .await?;
        check_headers(view, claim)?;
        if of_s3 {
            check_time(claim, rules, self.clock.now())?;
        }
        Ok(Vouched {
            verifier: self,
            view,
            claim,
            rules,
            credential,
        })
    }

    /// The credential of a key that is known and has not ended.
    pub(crate) async fn credential(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<Credential, SigV4Error> {
        let found = self.credentials.credential(access_key_id, session_token).await?;
        let credential = found.ok_or_else(|| SigV4Error::UnknownKey {
            access_key_id: access_key_id.to_owned(),
            with_token: session_token.is_some(),
        })?;
        match credential.expires {
            Some(end) if end <= self.clock.now() => Err(SigV4Error::ExpiredToken),
            _ => Ok(credential),
        }
    }

    /// Whose form this is: its policy, in base64, is all that was signed.
    pub(crate) async fn verify_policy(
        &self,
        credential: &str,
        date: &str,
        signature: &str,
        policy: &str,
        session_token: Option<&str>,
    ) -> Result<Principal, SigV4Error> {
        let (access_key_id, scope) = parse_credential(credential, Location::Query)?;
        let got = || SigV4Error::BadDate {
            got: date.chars().take(64).collect(),
        };
        let claim = Claim {
            location: Location::Query,
            access_key_id,
            scope,
            signed_headers: Vec::new(),
            signed_at: stamp::parse(date).ok_or_else(got)?,
            expires_secs: None,
            session_token: session_token.map(str::to_owned),
            signature: signature.into(),
        };
        check_scope(&claim, &Rules::for_service("s3"))?;
        let credential = self.credential(&claim.access_key_id, session_token).await?;
        let Claim { scope, .. } = &claim;
        let key = SigningKey::derive(&credential.secret, &scope.date, &scope.region, &scope.service);
        let given = claim.signature_bytes();
        if given.is_some_and(|given| bool::from(given.ct_eq(&key.sign(policy.as_bytes())))) {
            return Ok(credential.principal);
        }
        Err(SigV4Error::Mismatch {
            access_key_id: claim.access_key_id,
            signature: claim.signature,
            canonical_request: String::new(),
            string_to_sign: policy.to_owned(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn check_signature(
        &self,
        view: &RequestView<'_>,
        claim: &Claim,
        rules: &Rules<'_>,
        payload_hash: &str,
        credential: &Credential,
    ) -> Result<SigningKey, SigV4Error> {
        let scope = &claim.scope;
        let kept = self.keys.get(&claim.access_key_id, scope, &credential.secret);
        let fresh = kept.is_none();
        let key =
            kept.unwrap_or_else(|| SigningKey::derive(&credential.secret, &scope.date, &scope.region, &scope.service));
        let canonical = |left_out: &[&str]| {
            let path_rule = rules.profile.path_rule();
            let request = canonical::request(view, path_rule, &claim.signed_headers, left_out, payload_hash);
            let text = canonical::string_to_sign(&stamp::format(claim.signed_at), &scope.text(), &request);
            (request, text)
        };
        let left_out: &[&str] = match claim.location {
            Location::Header => &[],
            Location::Query => &["X-Amz-Signature"],
        };
        let (request, text) = canonical(left_out);
        let given = claim.signature_bytes();
        let matches = |text: &str| given.is_some_and(|given| bool::from(given.ct_eq(&key.sign(text.as_bytes()))));
        // Some services have the token added to the URL after signing; it vouches for itself.
        let late_token = claim.location == Location::Query && claim.session_token.is_some();
        if matches(&text) || (late_token && matches(&canonical(&["X-Amz-Signature", "X-Amz-Security-Token"]).1)) {
            if fresh {
                self.keys
                    .keep(&claim.access_key_id, scope, &credential.secret, key.clone());
            }
            return Ok(key);
        }
        Err(SigV4Error::Mismatch {
            access_key_id: claim.access_key_id.clone(),
            signature: claim.signature.clone(),
            canonical_request: String::from_utf8_lossy(&request).into_owned(),
            string_to_sign: text,
        })
    }

    #[cfg(test)]
    pub(super) fn kept_keys(&self) -> usize {
        self.keys.len()
    }
}

/// A claim in which everything fits but that its signature has not been checked: grants nothing yet.
pub struct Vouched<'v> {
    verifier: &'v Verifier,
    view: &'v RequestView<'v>,
    claim: &'v Claim,
    rules: &'v Rules<'v>,
    credential: Credential,
}

impl Vouched<'_> {
    /// Who the claim says has signed: not known to be true yet.
    pub fn claimed(&self) -> &Principal {
        &self.credential.principal
    }

    /// Checks the signature. `body_sha256` is needed for [`Payload::Whole`] and else ignored; none stands for the empty
    /// body.
    ///
    /// # Errors
    /// [`SigV4Error::Mismatch`]; for `aws-chunked` bodies, what [`ChunkDecoder::unsigned`] says of their headers.
    pub fn verify(self, payload: Payload, body_sha256: Option<[u8; 32]>) -> Result<Verified, SigV4Error> {
        let Self {
            verifier,
            view,
            claim,
            rules,
            credential,
        } = self;
        let key = verifier.check_signature(view, claim, rules, &payload.canonical(body_sha256), &credential)?;
        let chunks = match payload {
            Payload::SignedChunks { trailer } => {
                let scope = claim.scope.text();
                let signatures = ChunkSignatures::new(key, claim.signed_at, scope, claim.signature.clone());
                Some(ChunkDecoder::signed(signatures, trailer, view)?)
            }
            Payload::UnsignedChunks => Some(ChunkDecoder::unsigned(view)?),
            Payload::Whole | Payload::Sha256(_) | Payload::Unsigned => None,
        };
        Ok(Verified {
            principal: credential.principal,
            access_key_id: claim.access_key_id.clone(),
            signed_at: claim.signed_at,
            payload,
            chunks,
        })
    }
}

fn check_scope(claim: &Claim, rules: &Rules<'_>) -> Result<(), SigV4Error> {
    let scope = &claim.scope;
    let mut faults = Vec::new();
    let region_fits = match rules.region {
        Some(region) => region.as_str() == scope.region,
        None => scope.region.parse::<Region>().is_ok(),
    };
    if !region_fits {
        let expected = rules.region.map(|region| region.as_str().to_owned());
        faults.push(ScopeFault::Region {
            got: scope.region.clone(),
            expected,
        });
    }
    if scope.service != rules.service {
        faults.push(ScopeFault::Service {
            got: scope.service.clone(),
            expected: rules.service.into(),
        });
    }
    if scope.terminator != TERMINATOR {
        faults.push(ScopeFault::Terminator {
            got: scope.terminator.clone(),
        });
    }
    if scope.date != stamp::format_day(claim.signed_at) {
        faults.push(ScopeFault::Date {
            got: scope.date.clone(),
            signed_at: claim.signed_at,
        });
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(SigV4Error::Scope {
            location: claim.location,
            faults,
        })
    }
}

/// `host` must be signed, and every `x-amz-` header that is there: an unsigned `x-amz-target` would let a stranger on
/// the way choose another operation. The session token is excepted because it is authenticated by itself.
fn check_headers(view: &RequestView<'_>, claim: &Claim) -> Result<(), SigV4Error> {
    let signed = |name: &str| {
        claim
            .signed_headers
            .binary_search_by(|have| have.as_str().cmp(name))
            .is_ok()
    };
    if !signed("host") {
        return Err(SigV4Error::HostNotSigned);
    }
    let unsigned: Vec<String> = view
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") && *name != "x-amz-security-token" && !signed(name))
        .map(str::to_owned)
        .collect();
    if unsigned.is_empty() {
        Ok(())
    } else {
        Err(SigV4Error::HeadersNotSigned(unsigned))
    }
}

fn check_time(claim: &Claim, rules: &Rules<'_>, now: Timestamp) -> Result<(), SigV4Error> {
    let skew = rules.profile.skew_millis();
    let window_secs = u32::try_from(skew / 1000).unwrap_or(u32::MAX);
    let signed_at = claim.signed_at;
    if signed_at > now.plus_millis(skew) {
        return Err(SigV4Error::NotYetCurrent {
            signed_at,
            now,
            window_secs,
        });
    }
    let expires_secs = match (claim.location, claim.expires_secs) {
        (Location::Query, Some(expires_secs)) => expires_secs,
        (Location::Query, None) if rules.profile == Profile::S3 => {
            let (missing, authorization) = (Vec::new(), String::new());
            return Err(SigV4Error::Incomplete {
                location: Location::Query,
                missing,
                authorization,
            });
        }
        _ if signed_at < now.plus_millis(-skew) => {
            return Err(SigV4Error::Expired {
                signed_at,
                now,
                window_secs,
            });
        }
        _ => return Ok(()),
    };
    if now > signed_at.plus_millis(i64::from(expires_secs) * 1000) {
        return Err(SigV4Error::PresignedExpired {
            signed_at,
            expires_secs,
            now,
        });
    }
    Ok(())
}

/// A request whose signature is right. Its body may still be wrong: see [`Verified::guard`].
#[derive(Debug)]
pub struct Verified {
    /// Who signed.
    pub principal: Principal,
    /// With which key.
    pub access_key_id: String,
    /// When.
    pub signed_at: Timestamp,
    /// How the body is bound.
    pub payload: Payload,
    chunks: Option<ChunkDecoder>,
}

impl Verified {
    /// Wraps the body so that it breaks off with a [`SigV4Error`] (inside the [`danbi_core::BodyError`]) when it is not
    /// what was signed, and takes `aws-chunked` framing away: trailers come as a trailers frame. Bodies whose hash was
    /// given beforehand, or that are not signed, pass unchanged.
    ///
    /// Pieces come out as they arrive; they are proven only when the body ends without error.
    pub fn guard(self, body: Body) -> Body {
        match (self.payload, self.chunks) {
            (Payload::Sha256(hash), _) => HashedBody::new(body, hash).boxed_unsync(),
            (_, Some(decoder)) => ChunkedBody::new(body, decoder).boxed_unsync(),
            _ => body,
        }
    }

    /// The same for a body that is already whole, when it is not `aws-chunked`.
    ///
    /// # Errors
    /// [`SigV4Error::PayloadMismatch`].
    pub fn check(&self, body: &[u8]) -> Result<(), SigV4Error> {
        match self.payload {
            Payload::Sha256(declared) => super::payload::check_hash(&declared, &super::sha256(body)),
            _ => Ok(()),
        }
    }
}
