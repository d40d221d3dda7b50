use crate::{RequestContext, ServiceError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize;

/// A data key in the clear: 256 bits, erased when dropped, without a `Debug` that shows them.
#[derive(Clone)]
pub struct PlainDataKey([u8; 32]);

impl PlainDataKey {
    /// Wraps the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one who encrypts with them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for PlainDataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PlainDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainDataKey(…)")
    }
}

/// A data key that a service got for something of a user's.
#[derive(Debug, Clone)]
pub struct DataKey {
    /// The ARN of the KMS key that it is sealed under.
    pub key_arn: String,
    /// In the clear, not to be kept.
    pub plain: PlainDataKey,
    /// Sealed, to be kept: [`DataKeys::decrypt`] opens it.
    pub sealed: Vec<u8>,
}

/// Which service uses a KMS key for its caller, and for what.
#[derive(Debug, Clone, Copy)]
pub struct KeyUse<'r> {
    /// The service as hosts name it, such as `s3` (`kms:ViaService` is `s3.REGION.amazonaws.com`).
    pub service: &'r str,
    /// What the data key is bound to: it opens with the same alone.
    pub encryption_context: &'r BTreeMap<String, String>,
}

/// Data keys for services that encrypt what users give them, under keys of KMS. Implemented by `kms`.
///
/// Each call asks the authorizer in the name of `context.principal`, as AWS does: whoever may not use the key can
/// neither write nor read what it protects.
#[async_trait]
pub trait DataKeys: Send + Sync + 'static {
    /// A fresh data key under the key that `key` names: an id, an ARN or an alias; `None` is the key that AWS would manage
    /// for the service (`alias/aws/s3`), which is made when it is first needed. Asks for `kms:GenerateDataKey`.
    ///
    /// # Errors
    /// KMS's own: `NotFoundException`, `DisabledException`, `KMSInvalidStateException`, `InvalidKeyUsageException`,
    /// `AccessDeniedException`.
    async fn generate(
        &self,
        context: &RequestContext,
        key: Option<&str>,
        usage: KeyUse<'_>,
    ) -> Result<DataKey, ServiceError>;

    /// The data key that [`DataKeys::generate`] sealed. Asks for `kms:Decrypt`.
    ///
    /// # Errors
    /// KMS's own: those above, and `InvalidCiphertextException` for another encryption context or altered bytes.
    async fn decrypt(
        &self,
        context: &RequestContext,
        sealed: &[u8],
        usage: KeyUse<'_>,
    ) -> Result<PlainDataKey, ServiceError>;
}
