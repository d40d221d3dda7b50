//! What requests say of encryption, and the data keys that follow from it.
//!
//! Each object has a data key of its own. SSE-S3 keeps it sealed under the platform's master key, SSE-C under the client's
//! key, SSE-KMS under a data key that KMS made for the object and that only KMS opens again, for those who may use its key.

use crate::configurations::encryption::default_rule;
use crate::crypto::{CryptoError, CustomerKey, CustomerKeyProblem, DATA_KEY, SecretKey};
use crate::records::{Bucket, Encryption, EncryptionKind, View};
use crate::shapes::ServerSideEncryptionRule;
use crate::{Error, Result, S3, names};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{DataKeys, KeyUse, PlainDataKey, Principal, RequestContext, ServiceError};
use std::collections::BTreeMap;
use std::sync::Arc;

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
const SSE_CONTEXT: &str = "x-amz-server-side-encryption-context";
/// The name of the pair that S3 adds to every encryption context.
const ARN: &str = "aws:s3:arn";
/// Most bytes of an encryption context as it is sent.
const MAX_CONTEXT_BYTES: usize = 8192;

/// How a request wants new content to be encrypted.
#[derive(Default, Clone, Copy)]
pub(crate) struct Wanted<'r> {
    /// `x-amz-server-side-encryption`.
    pub sse: Option<&'r str>,
    pub kms_key_id: Option<&'r str>,
    /// `x-amz-server-side-encryption-context`: base64 of JSON.
    pub kms_context: Option<&'r str>,
    /// `x-amz-server-side-encryption-bucket-key-enabled`.
    pub bucket_key: Option<bool>,
    pub customer: CustomerHeaders<'r>,
}

/// What a request that makes an object says of encryption. A macro, because the inputs share members and no trait.
macro_rules! wanted {
    ($input:expr) => {
        $crate::encryption::Wanted {
            sse: $input.server_side_encryption.as_deref(),
            kms_key_id: $input.ssekms_key_id.as_deref(),
            kms_context: $input.ssekms_encryption_context.as_deref(),
            bucket_key: $input.bucket_key_enabled,
            customer: $crate::encryption::customer!($input),
        }
    };
}
pub(crate) use wanted;

/// A client's own key in a request. A macro for the same reason.
macro_rules! customer {
    ($input:expr) => {
        $crate::encryption::CustomerHeaders {
            algorithm: $input.sse_customer_algorithm.as_deref(),
            key: $input.sse_customer_key.as_deref(),
            md5: $input.sse_customer_key_md5.as_deref(),
        }
    };
}
pub(crate) use customer;

/// Which object is to be encrypted, for whom, and how its bucket does that when nobody says anything.
pub(crate) struct Place<'r> {
    context: &'r RequestContext,
    bucket: &'r str,
    key: &'r str,
    rule: Option<ServerSideEncryptionRule>,
    /// What it does without a rule.
    usual: EncryptionKind,
}

impl<'r> Place<'r> {
    /// Reads what the bucket does by default.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn of(
        view: &impl View,
        context: &'r RequestContext,
        bucket: &Bucket,
        name: &'r str,
        key: &'r str,
    ) -> Result<Self> {
        Ok(Self {
            context,
            bucket: name,
            key,
            rule: default_rule(view, bucket).await?,
            usual: match bucket.no_usual_encryption {
                true => EncryptionKind::Unasked,
                false => EncryptionKind::S3,
            },
        })
    }
}

/// A data key on its way to being kept.
pub(crate) enum Sealing<'s> {
    /// It is sealed.
    Done(Encryption),
    /// A key of KMS is to seal it.
    ByKms { key_id: Option<&'s str>, bucket_key: bool },
}

impl<'r> Wanted<'r> {
    /// A fresh data key, and what is to be kept of it. Whoever says nothing gets what the bucket does, which is SSE-S3
    /// unless it was told otherwise.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidEncryptionAlgorithmError`, and those of KMS.
    pub(crate) async fn data_key(self, s3: &S3, place: &Place<'_>) -> Result<(SecretKey, Encryption)> {
        let key = SecretKey::random().map_err(CryptoError::from)?;
        let encryption = self.seal(s3, place, &key).await?;
        Ok((key, encryption))
    }

    /// What is to be kept of a data key that is there already: a copy shares the bytes of its source.
    ///
    /// # Errors
    /// As [`Wanted::data_key`].
    pub(crate) async fn seal(self, s3: &S3, place: &Place<'_>, key: &SecretKey) -> Result<Encryption> {
        match self.seal_alone(s3, place, key)? {
            Sealing::Done(encryption) => Ok(encryption),
            Sealing::ByKms { key_id, bucket_key } => self.seal_by_kms(s3, place, key, key_id, bucket_key).await,
        }
    }

    /// The same as far as nobody else has to be asked.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidEncryptionAlgorithmError`.
    pub(crate) fn seal_alone<'s>(self, s3: &S3, place: &'s Place<'_>, key: &SecretKey) -> Result<Sealing<'s>>
    where
        'r: 's,
    {
        if let Some(customer) = self.customer.parse()? {
            if let Some(sse) = self.sse {
                let message = "Server Side Encryption with Customer provided key is incompatible with the encryption \
                               method specified";
                return Err(Error::invalid_argument(SSE, sse, message));
            }
            return Ok(Sealing::Done(Encryption {
                key: customer.seal_key(key)?,
                kind: EncryptionKind::Customer {
                    key_md5: customer.md5().to_owned(),
                },
            }));
        }
        if self.sse != Some("aws:kms") {
            self.check_without_kms()?;
        }
        let default = place.rule.as_ref();
        let by_default = default.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
        let (algorithm, kms_key_id) = match (self.sse, by_default) {
            (Some(sse), _) => (sse, self.kms_key_id),
            (None, Some(default)) => (default.sse_algorithm.as_str(), default.kms_master_key_id.as_deref()),
            (None, None) => return by_platform(s3, key, place.usual.clone()).map(Sealing::Done),
        };
        match algorithm {
            "AES256" => by_platform(s3, key, EncryptionKind::S3).map(Sealing::Done),
            "aws:kms" => {
                let by_bucket = default.and_then(|rule| rule.bucket_key_enabled);
                let bucket_key = self.bucket_key.or(by_bucket).unwrap_or(false);
                Ok(Sealing::ByKms {
                    key_id: kms_key_id,
                    bucket_key,
                })
            }
            "aws:kms:dsse" => {
                let message = "Encryption in two layers (aws:kms:dsse) is not built: only AES256, aws:kms and keys of the \
                               client.";
                Err(Error::client("NotImplemented", 501, message).with("Header", SSE))
            }
            other => {
                let message = "The encryption method specified is not supported";
                Err(Error::invalid_argument(SSE, other, message))
            }
        }
    }

    /// Refuses what only goes with keys of KMS.
    fn check_without_kms(self) -> Result<()> {
        let given = [
            (self.kms_key_id, "x-amz-server-side-encryption-aws-kms-key-id"),
            (self.kms_context, SSE_CONTEXT),
        ];
        for (value, header) in given {
            if let Some(value) = value {
                let message = format!("{header} is only applicable with aws:kms.");
                return Err(Error::invalid_argument(header, value, message));
            }
        }
        Ok(())
    }

    /// Seals a data key under one that KMS makes for the object.
    async fn seal_by_kms(
        self,
        s3: &S3,
        place: &Place<'_>,
        key: &SecretKey,
        kms_key_id: Option<&str>,
        bucket_key: bool,
    ) -> Result<Encryption> {
        check_signed(place.context)?;
        let arn = match bucket_key {
            true => names::bucket_arn(place.bucket),
            false => names::object_arn(place.bucket, place.key),
        };
        let bound = encryption_context(self.kms_context, arn)?;
        let usage = KeyUse {
            service: "s3",
            encryption_context: &bound,
        };
        let made = data_keys(s3)?
            .generate(place.context, kms_key_id, usage)
            .await
            .map_err(of_kms)?;
        let wrapped = wrapping(&made.plain)?.wrap(DATA_KEY, key).map_err(CryptoError::from)?;
        let context = serde_json::to_string(&bound).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(Encryption {
            key: format!("{}.{wrapped}", STANDARD.encode(&made.sealed)),
            kind: EncryptionKind::Kms {
                key_id: made.key_arn,
                context: Some(context),
                bucket_key,
            },
        })
    }
}

/// What is to be kept of a data key that the platform's own key seals.
fn by_platform(s3: &S3, key: &SecretKey, kind: EncryptionKind) -> Result<Encryption> {
    Ok(Encryption {
        key: s3.master_keys.seal_key(key).map_err(CryptoError::from)?,
        kind,
    })
}

/// The context that a data key of KMS is bound to: what the request says, and which object (or bucket) it is for.
fn encryption_context(given: Option<&str>, arn: String) -> Result<BTreeMap<String, String>> {
    let mut context: BTreeMap<String, String> = BTreeMap::new();
    if let Some(given) = given {
        let invalid = || {
            let message = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding \
                           JSON which represents a string-string map";
            Error::invalid_argument(SSE_CONTEXT, given, message)
        };
        if given.len() > MAX_CONTEXT_BYTES {
            return Err(invalid());
        }
        let json = STANDARD.decode(given).map_err(|_| invalid())?;
        context = serde_json::from_slice(&json).map_err(|_| invalid())?;
        if context.get(ARN).is_some_and(|named| *named != arn) {
            return Err(invalid());
        }
    }
    context.insert(ARN.to_owned(), arn);
    Ok(context)
}

/// Keys of KMS are somebody's to use.
fn check_signed(context: &RequestContext) -> Result<()> {
    if context.principal != Principal::Anonymous {
        return Ok(());
    }
    let message =
        "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.";
    Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "Authorization"))
}

fn data_keys(s3: &S3) -> Result<&Arc<dyn DataKeys>> {
    s3.data_keys.as_ref().ok_or_else(|| {
        let message = "There is no KMS here that could encrypt with aws:kms.";
        Error::client("NotImplemented", 501, message).with("Header", SSE)
    })
}

fn wrapping(plain: &PlainDataKey) -> Result<SecretKey> {
    SecretKey::from_bytes(plain.expose()).ok_or(Error::Crypto(CryptoError::Key))
}

/// What S3 calls an error of KMS.
fn of_kms(error: ServiceError) -> Error {
    let code = match error.code {
        "AccessDeniedException" | "AccessDenied" => return Error::client("AccessDenied", 403, error.message),
        "NotFoundException" => "KMS.NotFoundException",
        "DisabledException" => "KMS.DisabledException",
        "KMSInvalidStateException" => "KMS.KMSInvalidStateException",
        "InvalidKeyUsageException" => "KMS.InvalidKeyUsageException",
        "UnsupportedOperationException" => "KMS.UnsupportedOperationException",
        "InvalidCiphertextException" => "KMS.InvalidCiphertextException",
        _ => return error.into(),
    };
    Error::client(code, 400, error.message)
}

/// The data key of stored content, for the caller.
///
/// # Errors
/// `InvalidRequest` when the request's headers do not go with how it is encrypted, `AccessDenied` for a wrong key, and
/// those of KMS.
pub(crate) async fn data_key(
    s3: &S3,
    context: &RequestContext,
    encryption: &Encryption,
    customer: CustomerHeaders<'_>,
) -> Result<SecretKey> {
    let given = customer.parse()?;
    match (&encryption.kind, given) {
        (EncryptionKind::S3 | EncryptionKind::Unasked, None) => {
            Ok(s3.master_keys.open_key(&encryption.key).map_err(CryptoError::from)?)
        }
        (EncryptionKind::S3 | EncryptionKind::Unasked | EncryptionKind::Kms { .. }, Some(_)) => Err(
            Error::invalid_request("The encryption parameters are not applicable to this object."),
        ),
        (EncryptionKind::Customer { .. }, None) => Err(Error::invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object.",
        )),
        (EncryptionKind::Customer { .. }, Some(customer)) => match customer.open_key(&encryption.key) {
            Err(CryptoError::Key) => Err(s3.options.dialect.wrong_customer_key()),
            opened => Ok(opened?),
        },
        (EncryptionKind::Kms { context: bound, .. }, None) => {
            open_by_kms(s3, context, &encryption.key, bound.as_deref()).await
        }
    }
}

/// Opens a data key that is sealed under one of KMS.
///
/// # Errors
/// Those of KMS.
pub(crate) async fn open_by_kms(
    s3: &S3,
    context: &RequestContext,
    sealed: &str,
    bound: Option<&str>,
) -> Result<SecretKey> {
    check_signed(context)?;
    let damaged = || Error::Crypto(CryptoError::Key);
    let (of_kms_text, wrapped) = sealed.split_once('.').ok_or_else(damaged)?;
    let blob = STANDARD.decode(of_kms_text).map_err(|_| damaged())?;
    let bound: BTreeMap<String, String> = bound
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| damaged())?
        .unwrap_or_default();
    let usage = KeyUse {
        service: "s3",
        encryption_context: &bound,
    };
    let plain = data_keys(s3)?.decrypt(context, &blob, usage).await.map_err(of_kms)?;
    Ok(wrapping(&plain)?.unwrap(DATA_KEY, wrapped).map_err(CryptoError::from)?)
}

/// What an answer says of encryption.
pub(crate) struct Shown {
    pub sse: Option<String>,
    pub kms_key_id: Option<String>,
    pub bucket_key: Option<bool>,
    pub customer_algorithm: Option<String>,
    pub customer_key_md5: Option<String>,
}

/// The members of an answer that tell how content is encrypted.
pub(crate) fn shown(encryption: &Encryption) -> Shown {
    let mut shown = Shown {
        sse: None,
        kms_key_id: None,
        bucket_key: None,
        customer_algorithm: None,
        customer_key_md5: None,
    };
    match &encryption.kind {
        EncryptionKind::Unasked => {}
        EncryptionKind::S3 => shown.sse = Some("AES256".into()),
        EncryptionKind::Kms { key_id, bucket_key, .. } => {
            shown.sse = Some("aws:kms".into());
            shown.kms_key_id = Some(key_id.clone());
            shown.bucket_key = bucket_key.then_some(true);
        }
        EncryptionKind::Customer { key_md5 } => {
            shown.customer_algorithm = Some("AES256".into());
            shown.customer_key_md5 = Some(key_md5.clone());
        }
    }
    shown
}
