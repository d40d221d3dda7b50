//! What requests say of encryption, and the data keys that follow from it.

use crate::crypto::{CryptoError, CustomerKey, CustomerKeyProblem, SecretKey};
use crate::records::{Encryption, EncryptionKind};
use crate::{Error, Result, S3};

/// The three headers of a client's own key.
#[derive(Default, Clone, Copy)]
pub(crate) struct CustomerHeaders<'r> {
    pub algorithm: Option<&'r str>,
    pub key: Option<&'r str>,
    pub md5: Option<&'r str>,
}

impl CustomerHeaders<'_> {
    /// The key, if there is one.
    ///
    /// # Errors
    /// `InvalidArgument`, in S3's words.
    pub(crate) fn parse(self) -> Result<Option<CustomerKey>> {
        CustomerKey::from_headers(self.algorithm, self.key, self.md5).map_err(|problem| {
            const DEMAND: &str = "Requests specifying Server Side Encryption with Customer provided keys must provide";
            let message = match problem {
                CustomerKeyProblem::Algorithm => format!("{DEMAND} a valid encryption algorithm."),
                CustomerKeyProblem::NoKey => format!("{DEMAND} an appropriate secret key."),
                CustomerKeyProblem::Key => "The secret key was invalid for the specified algorithm.".into(),
                CustomerKeyProblem::NoMd5 => format!("{DEMAND} the client calculated MD5 of the secret key."),
                CustomerKeyProblem::Md5 => {
                    "The calculated MD5 hash of the key did not match the hash that was provided.".into()
                }
            };
            Error::client("InvalidArgument", 400, message).with("ArgumentName", SSE)
        })
    }
}

const SSE: &str = "x-amz-server-side-encryption";

/// How a request wants new content to be encrypted.
#[derive(Default, Clone, Copy)]
pub(crate) struct Wanted<'r> {
    /// `x-amz-server-side-encryption`.
    pub sse: Option<&'r str>,
    pub kms_key_id: Option<&'r str>,
    pub customer: CustomerHeaders<'r>,
}

impl Wanted<'_> {
    /// A fresh data key, and what is to be kept of it. Whoever says nothing gets SSE-S3, as everywhere since 2023.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidEncryptionAlgorithmError`; `NotImplemented` for SSE-KMS.
    pub(crate) fn data_key(self, s3: &S3) -> Result<(SecretKey, Encryption)> {
        let key = SecretKey::random().map_err(CryptoError::from)?;
        let encryption = self.seal(s3, &key)?;
        Ok((key, encryption))
    }

    /// What is to be kept of a data key that is there already: a copy shares the bytes of its source.
    ///
    /// # Errors
    /// As [`Wanted::data_key`].
    pub(crate) fn seal(self, s3: &S3, key: &SecretKey) -> Result<Encryption> {
        if let Some(customer) = self.customer.parse()? {
            if let Some(sse) = self.sse {
                let message = "Server Side Encryption with Customer provided key is incompatible with the encryption \
                               method specified";
                return Err(Error::invalid_argument(SSE, sse, message));
            }
            return Ok(Encryption {
                key: customer.seal_key(key)?,
                kind: EncryptionKind::Customer {
                    key_md5: customer.md5().to_owned(),
                },
            });
        }
        match self.sse {
            None | Some("AES256") => {}
            Some("aws:kms" | "aws:kms:dsse") => {
                let message = "Encryption with keys of KMS (aws:kms) is not built: only AES256 and keys of the client.";
                return Err(Error::client("NotImplemented", 501, message).with("Header", SSE));
            }
            Some(other) => {
                let message = "The Encryption request you specified is not valid. Supported value: AES256.";
                return Err(Error::client("InvalidEncryptionAlgorithmError", 400, message)
                    .with("ArgumentName", SSE)
                    .with("ArgumentValue", other));
            }
        }
        if self.kms_key_id.is_some() {
            let message = "x-amz-server-side-encryption-aws-kms-key-id is only applicable with aws:kms.";
            return Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", SSE));
        }
        Ok(Encryption {
            key: s3.master_keys.seal_key(key).map_err(CryptoError::from)?,
            kind: EncryptionKind::S3,
        })
    }
}

/// The data key of stored content.
///
/// # Errors
/// `InvalidRequest` when the request's headers do not go with how it is encrypted, `AccessDenied` for a wrong key.
pub(crate) fn data_key(s3: &S3, encryption: &Encryption, customer: CustomerHeaders<'_>) -> Result<SecretKey> {
    let given = customer.parse()?;
    match (&encryption.kind, given) {
        (EncryptionKind::S3, None) => Ok(s3.master_keys.open_key(&encryption.key).map_err(CryptoError::from)?),
        (EncryptionKind::S3, Some(_)) => Err(Error::invalid_request(
            "The encryption parameters are not applicable to this object.",
        )),
        (EncryptionKind::Customer { .. }, None) => Err(Error::invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object.",
        )),
        (EncryptionKind::Customer { .. }, Some(customer)) => match customer.open_key(&encryption.key) {
            Err(CryptoError::Key) => Err(Error::client(
                "AccessDenied",
                403,
                "Requests specifying Server Side Encryption with Customer provided keys must provide the correct \
                 secret key.",
            )),
            opened => Ok(opened?),
        },
        (EncryptionKind::Kms { .. }, _) => Err(Error::Crypto(CryptoError::Key)),
    }
}

/// What an answer says of encryption.
pub(crate) struct Shown {
    pub sse: Option<String>,
    pub customer_algorithm: Option<String>,
    pub customer_key_md5: Option<String>,
}

/// The members of an answer that tell how content is encrypted.
pub(crate) fn shown(encryption: &Encryption) -> Shown {
    let (sse, md5) = match &encryption.kind {
        EncryptionKind::S3 => (Some("AES256"), None),
        EncryptionKind::Kms { .. } => (Some("aws:kms"), None),
        EncryptionKind::Customer { key_md5 } => (None, Some(key_md5.clone())),
    };
    Shown {
        sse: sse.map(Into::into),
        customer_algorithm: md5.as_ref().map(|_| "AES256".into()),
        customer_key_md5: md5,
    }
}
