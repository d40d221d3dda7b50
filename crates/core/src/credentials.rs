use crate::{Arn, Principal, ServiceError, Timestamp};
use async_trait::async_trait;
use std::fmt;

/// A secret access key. `Debug` hides it; compare signatures, never keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Wraps the key's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who signs, verifies or stores it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// What is known of an access key id.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key that signatures must have been made with.
    pub secret: SecretKey,
    /// Whom it speaks for.
    pub principal: Principal,
    /// For temporary credentials, when they end; the wire refuses later ones with `ExpiredTokenException`.
    pub expires: Option<Timestamp>,
}

/// Finds the secret of an access key id. Implemented by `iam`, asked by `wire`.
#[async_trait]
pub trait CredentialSource: Send + Sync + 'static {
    /// `None` when the id is unknown **or** when `session_token` is not the one issued with it (checked in constant
    /// time); an `Err` only when the lookup itself failed.
    async fn credential(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<Option<Credential>, ServiceError>;
}

/// Temporary credentials as they are handed out.
#[derive(Debug, Clone)]
pub struct SessionCredentials {
    /// Begins with `ASIA`.
    pub access_key_id: String,
    /// The key to sign with.
    pub secret: SecretKey,
    /// Must accompany every request signed with it.
    pub session_token: String,
    /// When they end.
    pub expires: Timestamp,
    /// Why they may do nothing, when the role cannot be assumed: for the log of who gets them.
    pub warning: Option<String>,
}

/// Issues the credentials that a function runs with. Implemented by `iam`, asked by `runtime`.
#[async_trait]
pub trait RoleCredentials: Send + Sync + 'static {
    /// Credentials for a session named `session_name` (the function's name) of `role`, valid for at least 12 hours.
    async fn assume(&self, role: &Arn, session_name: &str) -> Result<SessionCredentials, ServiceError>;
}
