//! Uploads by HTML forms: requests whose signature stands in the body.

use crate::sigv4::{Dialect, Verifier};
use danbi_core::{Body, Principal, ServiceError};
use http::HeaderMap;
use std::fmt;
use std::sync::Arc;

/// A form that was posted to a bucket. Nothing of it is believed yet.
pub struct FormRequest {
    /// The bucket.
    pub bucket: String,
    /// The request's headers; `Content-Type` is `multipart/form-data` with its boundary.
    pub headers: HeaderMap,
    /// The form, unread. It breaks off with a [`ServiceError`] past the service's limit for forms.
    pub body: Body,
    /// Verifies what is in it.
    pub signer: FormSigner,
}

/// What signs a form: its policy, in base64 as it was sent.
#[derive(Clone, Copy)]
pub enum FormSignature<'f> {
    /// `x-amz-algorithm: AWS4-HMAC-SHA256`.
    V4 {
        /// `x-amz-credential`.
        credential: &'f str,
        /// `x-amz-date`.
        date: &'f str,
        /// `x-amz-signature`.
        signature: &'f str,
    },
    /// Version 2.
    V2 {
        /// `AWSAccessKeyId`.
        access_key_id: &'f str,
        /// `signature`.
        signature: &'f str,
    },
}

/// Knows the keys that forms are signed with.
#[derive(Clone)]
pub struct FormSigner(pub(crate) Arc<Verifier>);

impl FormSigner {
    /// Whose form this is. What the policy says, its expiry among it, is the caller's to judge.
    ///
    /// # Errors
    /// S3's `InvalidAccessKeyId`, `InvalidToken`, `ExpiredToken`, `SignatureDoesNotMatch`, and what a malformed
    /// credential is answered.
    pub async fn verify(
        &self,
        policy: &str,
        session_token: Option<&str>,
        signature: FormSignature<'_>,
    ) -> Result<Principal, ServiceError> {
        match signature {
            FormSignature::V4 {
                credential,
                date,
                signature,
            } => {
                let verified = self
                    .0
                    .verify_policy(credential, date, signature, policy, session_token)
                    .await;
                verified.map_err(|error| error.into_service_error(Dialect::S3))
            }
            FormSignature::V2 {
                access_key_id,
                signature,
            } => {
                self.0
                    .verify_policy_v2(access_key_id, signature, policy, session_token)
                    .await
            }
        }
    }
}

impl fmt::Debug for FormSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormSigner")
    }
}
