//! Is the claim true?

use super::canonical::strings_to_sign;
use super::claim::Claim;
use crate::sigv4::{Dialect, Profile, RequestView, SigV4Error, Verifier, stamp};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use danbi_core::{Principal, SecretKey, ServiceError, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// HMAC-SHA1 of `text` under `secret`, in base64: the signature of a request, and of a form's policy.
fn sign(secret: &SecretKey, text: &str) -> String {
    // Cannot fail: HMAC takes keys of every length.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

impl Verifier {
    /// Whose request this is.
    ///
    /// # Errors
    /// S3's `InvalidAccessKeyId`, `InvalidToken`, `ExpiredToken`, `AccessDenied` for a date that is none or an expiry
    /// that has passed, `RequestTimeTooSkewed`, `SignatureDoesNotMatch`.
    pub(crate) async fn verify_v2(&self, view: &RequestView<'_>, claim: &Claim) -> Result<Principal, ServiceError> {
        let words = |error: SigV4Error| error.into_service_error(Dialect::S3);
        let credential = self
            .credential(&claim.access_key_id, claim.session_token.as_deref())
            .await
            .map_err(words)?;
        let now = self.now();
        let date = match &claim.expires {
            Some(expires) => check_expiry(expires, now)?,
            None => check_date(view, now)?,
        };
        let mut texts = strings_to_sign(view, date);
        for text in &texts {
            let right = sign(&credential.secret, text);
            if bool::from(right.as_bytes().ct_eq(claim.signature.as_bytes())) {
                return Ok(credential.principal);
            }
        }
        Err(mismatch(&claim.access_key_id, &claim.signature, texts.swap_remove(0)))
    }

    /// Whose form this is: its policy is what was signed.
    pub(crate) async fn verify_policy_v2(
        &self,
        access_key_id: &str,
        signature: &str,
        policy: &str,
        session_token: Option<&str>,
    ) -> Result<Principal, ServiceError> {
        let credential = self.credential(access_key_id, session_token).await;
        let credential = credential.map_err(|error| error.into_service_error(Dialect::S3))?;
        let right = sign(&credential.secret, policy);
        match bool::from(right.as_bytes().ct_eq(signature.as_bytes())) {
            true => Ok(credential.principal),
            false => Err(mismatch(access_key_id, signature, policy.to_owned())),
        }
    }
}

fn mismatch(access_key_id: &str, signature: &str, text: String) -> ServiceError {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    SigV4Error::ChunkMismatch
        .into_service_error(Dialect::S3)
        .with("AWSAccessKeyId", access_key_id)
        .with("SignatureProvided", signature)
        .with("StringToSignBytes", bytes.join(" "))
        .with("StringToSign", text)
}

/// The expiry as it is signed, when it has not passed.
fn check_expiry(expires: &str, now: Timestamp) -> Result<&str, ServiceError> {
    let denied = |message: String| ServiceError::client("AccessDenied", 403, message);
    let Ok(secs) = expires.parse::<i64>() else {
        let shown: String = expires.chars().take(64).collect();
        return Err(denied(format!("Invalid date (should be seconds since epoch): {shown}")));
    };
    let end = Timestamp::from_millis(secs.saturating_mul(1000));
    if end < now {
        return Err(denied("Request has expired".into())
            .with("Expires", stamp::format_extended(end))
            .with("ServerTime", stamp::format_extended(now)));
    }
    Ok(expires)
}

/// The date as it is signed: empty when `x-amz-date` stands for it.
fn check_date<'v>(view: &RequestView<'v>, now: Timestamp) -> Result<&'v str, ServiceError> {
    let (own, plain) = (view.header("x-amz-date"), view.header("date"));
    let at = own.or(plain).and_then(stamp::parse_http);
    let Some(at) = at.filter(|at| at.as_millis() >= 0) else {
        let message = "AWS authentication requires a valid Date or x-amz-date header";
        return Err(ServiceError::client("AccessDenied", 403, message));
    };
    let skew = Profile::S3.skew_millis();
    if (at.as_millis() - now.as_millis()).abs() > skew {
        let window_secs = u32::try_from(skew / 1000).unwrap_or(u32::MAX);
        let error = SigV4Error::Expired {
            signed_at: at,
            now,
            window_secs,
        };
        return Err(error.into_service_error(Dialect::S3));
    }
    Ok(if own.is_some() { "" } else { plain.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use danbi_core::{Clock, Credential, CredentialSource};
    use http::Request;
    use std::sync::Arc;

    /// Tue, 27 Mar 2007 19:36:42 GMT, when AWS's own examples were signed.
    const SIGNED_AT: Timestamp = Timestamp::from_millis(1_175_024_202_000);

    struct Then(Timestamp);
    impl Clock for Then {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    struct Published;
    #[async_trait]
    impl CredentialSource for Published {
        async fn credential(&self, id: &str, _token: Option<&str>) -> Result<Option<Credential>, ServiceError> {
            Ok((id == "AKIAIOSFODNN7EXAMPLE").then(|| Credential {
                secret: SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                principal: Principal::Service("s".into()),
                expires: None,
            }))
        }
    }

    async fn verify(at: Timestamp, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::from(&parts);
        let claim = Claim::parse(&view).map_err(|error| error.code)?.unwrap();
        let verifier = Verifier::new(Arc::new(Published), Arc::new(Then(at)));
        verifier
            .verify_v2(&view, &claim)
            .await
            .map(drop)
            .map_err(|error| error.code)
    }

    /// The examples of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>.
    #[tokio::test]
    async fn the_published_examples_hold() {
        let date = ("date", "Tue, 27 Mar 2007 19:36:42 +0000");
        let host = ("host", "awsexamplebucket1.s3.us-west-1.amazonaws.com");
        let get = ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
        assert_eq!(
            verify(SIGNED_AT, "GET", "/photos/puppy.jpg", &[host, date, get]).await,
            Ok(())
        );
        let put = ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:iqRzw+ileNPu1fhspnRs8nOjjIA=");
        let date_of_put = ("date", "Tue, 27 Mar 2007 21:15:45 +0000");
        let kind = ("content-type", "image/jpeg");
        let later = SIGNED_AT.plus_millis(5_943_000);
        assert_eq!(
            verify(later, "PUT", "/photos/puppy.jpg", &[host, date_of_put, kind, put]).await,
            Ok(())
        );
        let list = ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:m0WP8eCtspQl5Ahe6L1SozdX9YA=");
        let listing = "/?prefix=photos&max-keys=50&marker=puppy";
        let date_of_list = ("date", "Tue, 27 Mar 2007 19:42:41 +0000");
        assert_eq!(
            verify(SIGNED_AT, "GET", listing, &[host, date_of_list, list]).await,
            Ok(())
        );
        let fetch = ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:82ZHiFIjc+WbcwFKGUVEQspPn+0=");
        let date_of_fetch = ("date", "Tue, 27 Mar 2007 19:44:46 +0000");
        assert_eq!(
            verify(SIGNED_AT, "GET", "/?acl", &[host, date_of_fetch, fetch]).await,
            Ok(())
        );
        let presigned = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&\
            Signature=1No4mq5ETf02z8aet9voy6gui6E%3D&Expires=1175139620";
        assert_eq!(verify(SIGNED_AT, "GET", presigned, &[host]).await, Ok(()));
    }

    /// As botocore presigns for a role: the token is signed as a header and sent as a parameter.
    #[tokio::test]
    async fn a_session_presigns_its_token() {
        let host = ("host", "awsexamplebucket1.s3.us-west-1.amazonaws.com");
        let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let text = "GET\n\n\n1175139620\nx-amz-security-token:to/ken+\n/awsexamplebucket1/photos/puppy.jpg";
        let signature = sign(&secret, text).replace('+', "%2B").replace('=', "%3D");
        let signed = format!("AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature={signature}&Expires=1175139620");
        let presigned = async |token: &str| {
            let uri = format!("/photos/puppy.jpg?{signed}&x-amz-security-token={token}");
            verify(SIGNED_AT, "GET", &uri, &[host]).await
        };
        assert_eq!(presigned("to%2Fken%2B").await, Ok(()));
        assert_eq!(presigned("another").await, Err("SignatureDoesNotMatch"));
    }

    #[tokio::test]
    async fn what_is_wrong_has_a_name() {
        let host = ("host", "localhost");
        let date = ("date", "Tue, 27 Mar 2007 19:36:42 +0000");
        let signed = ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:AAAA");
        let refused = async |headers: &[(&str, &str)]| verify(SIGNED_AT, "GET", "/b", headers).await.unwrap_err();
        assert_eq!(refused(&[host, date, signed]).await, "SignatureDoesNotMatch");
        assert_eq!(refused(&[host, signed]).await, "AccessDenied");
        assert_eq!(
            refused(&[host, date, ("authorization", "AWS HAHAHA")]).await,
            "InvalidArgument"
        );
        assert_eq!(
            refused(&[host, date, ("authorization", "AWS nobody:AAAA")]).await,
            "InvalidAccessKeyId"
        );
        for (when, code) in [
            ("Bad Date", "AccessDenied"),
            ("", "AccessDenied"),
            ("Tue, 07 Jul 1950 21:53:04 GMT", "AccessDenied"),
            ("Tue, 07 Jul 2010 21:53:04 GMT", "RequestTimeTooSkewed"),
            ("Tue, 07 Jul 9999 21:53:04 GMT", "RequestTimeTooSkewed"),
        ] {
            assert_eq!(refused(&[host, signed, ("x-amz-date", when)]).await, code, "{when}");
        }
        let query = async |query: &str| {
            verify(SIGNED_AT, "GET", &format!("/b?{query}"), &[host])
                .await
                .unwrap_err()
        };
        let known = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=AAAA";
        assert_eq!(query(known).await, "AccessDenied");
        assert_eq!(query(&format!("{known}&Expires=soon")).await, "AccessDenied");
        assert_eq!(query(&format!("{known}&Expires=1175024201")).await, "AccessDenied");
        assert_eq!(
            query(&format!("{known}&Expires=1175024203")).await,
            "SignatureDoesNotMatch"
        );
        assert_eq!(
            query(&format!("{known}&Expires=1&X-Amz-Algorithm=x")).await,
            "InvalidArgument"
        );
    }
}
