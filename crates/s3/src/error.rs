//! S3's errors: code, status and message as AWS gives them.
//!
//! Messages and members are those of AWS's own answers. Source:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>.

use crate::crypto::CryptoError;
use danbi_blobs::BlobError;
use danbi_core::ServiceError;
use danbi_store::StoreError;

/// Why S3 did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer that AWS gives, in its words.
    #[error("{0}")]
    Answer(Box<ServiceError>),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// The blobs failed.
    #[error("the blobs failed: {0}")]
    Blobs(#[from] BlobError),
    /// What is stored is not what was written: a record that cannot be read, content that fails its authentication.
    /// The bytes are never handed out.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// Bytes could not be sealed or opened, or a key of the platform is missing or unusable.
    #[error("the encryption failed: {0}")]
    Crypto(#[from] CryptoError),
    /// The platform is ending, or work was cut off by a fault that the log tells of.
    #[error("work was interrupted: {0}")]
    Interrupted(String),
}

/// What an operation of this crate results in.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Answer(Box::new(error))
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        match error {
            Error::Answer(answer) => *answer,
            Error::Store(StoreError::Contention { .. }) => {
                Self::server("SlowDown", 503, "Please reduce your request rate.")
            }
            error => {
                tracing::error!(%error, "a request to S3 failed");
                let message = "We encountered an internal error. Please try again.";
                Self::server("InternalError", 500, message)
            }
        }
    }
}

impl Error {
    /// A client's error that has no constructor of its own here.
    pub(crate) fn client(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        ServiceError::client(code, status, message).into()
    }

    /// Adds a member to the answer; faults of the platform stay as they are.
    #[must_use]
    pub(crate) fn with(self, member: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Answer(answer) => (*answer).with(member, value).into(),
            other => other,
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(crate) fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Answer(answer) => (*answer).with_header(name, value).into(),
            other => other,
        }
    }

    /// The code of an answer.
    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Answer(answer) => Some(answer.code),
            _ => None,
        }
    }

    pub(crate) fn access_denied() -> Self {
        Self::client("AccessDenied", 403, "Access Denied")
    }

    pub(crate) fn no_such_bucket(bucket: &str) -> Self {
        Self::client("NoSuchBucket", 404, "The specified bucket does not exist").with("BucketName", bucket)
    }

    pub(crate) fn invalid_bucket_name(bucket: &str) -> Self {
        Self::client("InvalidBucketName", 400, "The specified bucket is not valid.").with("BucketName", bucket)
    }

    pub(crate) fn bucket_already_exists(bucket: &str) -> Self {
        let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                       system. Please select a different name and try again.";
        Self::client("BucketAlreadyExists", 409, message).with("BucketName", bucket)
    }

    pub(crate) fn bucket_already_owned_by_you(bucket: &str) -> Self {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        Self::client("BucketAlreadyOwnedByYou", 409, message).with("BucketName", bucket)
    }

    /// `versioned`: what is left are versions, which a plain listing does not show.
    pub(crate) fn bucket_not_empty(bucket: &str, versioned: bool) -> Self {
        let message = if versioned {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        } else {
            "The bucket you tried to delete is not empty"
        };
        Self::client("BucketNotEmpty", 409, message).with("BucketName", bucket)
    }

    pub(crate) fn no_such_key(key: &str) -> Self {
        Self::client("NoSuchKey", 404, "The specified key does not exist.").with("Key", key)
    }

    pub(crate) fn no_such_version(key: &str, version: &str) -> Self {
        Self::client("NoSuchVersion", 404, "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", version)
    }

    pub(crate) fn invalid_version_id(version: &str) -> Self {
        Self::invalid_argument("versionId", version, "Invalid version id specified")
    }

    pub(crate) fn invalid_argument(name: &str, value: &str, message: impl Into<String>) -> Self {
        Self::client("InvalidArgument", 400, message)
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::client("InvalidRequest", 400, message)
    }

    pub(crate) fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::client("MalformedXML", 400, message)
    }

    /// `method` and what it was used on, such as `GET` on a `DeleteMarker`.
    pub(crate) fn method_not_allowed(method: &str, resource_type: &str) -> Self {
        let message = "The specified method is not allowed against this resource.";
        Self::client("MethodNotAllowed", 405, message)
            .with("Method", method)
            .with("ResourceType", resource_type)
    }

    pub(crate) fn key_too_long(bytes: usize) -> Self {
        Self::client("KeyTooLongError", 400, "Your key is too long")
            .with("Size", bytes.to_string())
            .with("MaxSizeAllowed", crate::names::MAX_KEY_BYTES.to_string())
    }

    /// `condition` is the header's name, such as `If-Match`.
    pub(crate) fn precondition_failed(condition: &str) -> Self {
        let message = "At least one of the pre-conditions you specified did not hold";
        Self::client("PreconditionFailed", 412, message).with("Condition", condition)
    }

    /// No body goes with it.
    pub(crate) fn not_modified() -> Self {
        Self::client("NotModified", 304, "Not Modified")
    }

    pub(crate) fn conditional_conflict(condition: &str, key: &str) -> Self {
        let message = "The conditional request cannot succeed due to a conflicting operation against this resource.";
        Self::client("ConditionalRequestConflict", 409, message)
            .with("Condition", condition)
            .with("Key", key)
    }

    /// A header that AWS knows and does not take here either.
    pub(crate) fn header_not_implemented(header: &str) -> Self {
        let message = "A header you provided implies functionality that is not implemented";
        Self::client("NotImplemented", 501, message).with("Header", header)
    }

    pub(crate) fn invalid_range(requested: &str, size: u64) -> Self {
        Self::client("InvalidRange", 416, "The requested range is not satisfiable")
            .with("RangeRequested", requested)
            .with("ActualObjectSize", size.to_string())
    }

    pub(crate) fn invalid_digest(given: &str) -> Self {
        Self::client("InvalidDigest", 400, "The Content-MD5 you specified was invalid.").with("Content-MD5", given)
    }

    /// Both digests in base64.
    pub(crate) fn bad_digest(expected: &str, calculated: &str) -> Self {
        Self::client(
            "BadDigest",
            400,
            "The Content-MD5 you specified did not match what we received.",
        )
        .with("ExpectedDigest", expected)
        .with("CalculatedDigest", calculated)
    }

    pub(crate) fn incomplete_body() -> Self {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::client("IncompleteBody", 400, message)
    }

    pub(crate) fn missing_content_length() -> Self {
        Self::client(
            "MissingContentLength",
            411,
            "You must provide the Content-Length HTTP header.",
        )
    }

    pub(crate) fn entity_too_large(proposed: u64, allowed: u64) -> Self {
        Self::client(
            "EntityTooLarge",
            400,
            "Your proposed upload exceeds the maximum allowed size",
        )
        .with("ProposedSize", proposed.to_string())
        .with("MaxSizeAllowed", allowed.to_string())
    }

    pub(crate) fn metadata_too_large(bytes: usize, allowed: usize) -> Self {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        Self::client("MetadataTooLarge", 400, message)
            .with("Size", bytes.to_string())
            .with("MaxSizeAllowed", allowed.to_string())
    }

    pub(crate) fn invalid_storage_class(class: &str) -> Self {
        Self::client(
            "InvalidStorageClass",
            400,
            "The storage class you specified is not valid",
        )
        .with("StorageClassRequested", class)
    }

    pub(crate) fn no_such_upload(upload: &str) -> Self {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                       aborted or completed.";
        Self::client("NoSuchUpload", 404, message).with("UploadId", upload)
    }

    pub(crate) fn request_timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the timeout period.";
        Self::client("RequestTimeout", 400, message)
    }
}
