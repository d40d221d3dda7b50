use crate::policy::PolicyError;
use danbi_core::ServiceError;
use danbi_store::StoreError;
use std::path::PathBuf;

/// What can go wrong when credentials are set up or issued, and what the IAM and STS APIs answer: each of the latter is
/// one of AWS's error codes, with AWS's own words. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// The credentials file could not be read or written.
    #[error("cannot {verb} the root credentials file {path}: {source}")]
    File {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error(
        "the root credentials file {path} has mode {mode:03o}, so others can read the account's secret key. Run `chmod 600 \
         {path}`; if anyone else may have read it, delete it instead and a new key is made"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what was written there.
    #[error(
        "the root credentials file {path} is damaged: {reason}. It must hold a [default] section with aws_access_key_id and \
         aws_secret_access_key; further profiles may name their account with aws_account_id. Restore it, or delete it and a \
         new key is made (clients then need the new one)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, without its content.
        reason: String,
    },
    /// One of the two environment variables is set without the other, or holds what no key looks like.
    #[error("{0}")]
    Environment(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A session cannot be made for this role or name.
    #[error("{0}")]
    Session(String),
    /// A record in the store is not what was written there; the cause is in the platform's log.
    #[error("a record cannot be read")]
    Record,
    /// 404.
    #[error("{0}")]
    NoSuchEntity(String),
    /// 409.
    #[error("{0}")]
    EntityAlreadyExists(String),
    /// 409: something still belongs to it.
    #[error("{0}")]
    DeleteConflict(&'static str),
    /// 409: a quota.
    #[error("{0}")]
    LimitExceeded(String),
    /// 400: a policy document that is none.
    #[error("{0}")]
    MalformedPolicy(String),
    /// 400: well formed and not acceptable.
    #[error("{0}")]
    InvalidInput(String),
    /// 400: malformed.
    #[error("{0}")]
    Validation(String),
    /// 400: AWS keeps it (a service-linked role, a policy of AWS's own).
    #[error("{0}")]
    Unmodifiable(String),
    /// 400: a value of an STS request.
    #[error("{0}")]
    InvalidParameter(&'static str),
    /// 400: session policies and tags together.
    #[error("{0}")]
    PackedPolicyTooLarge(String),
    /// 403, in STS's words.
    #[error("{0}")]
    AccessDenied(String),
    /// 400: a session that ended, of `DecodeAuthorizationMessage`.
    #[error("{0}")]
    InvalidAuthorizationMessage(&'static str),
}

impl From<PolicyError> for IamError {
    fn from(error: PolicyError) -> Self {
        Self::MalformedPolicy(error.to_string())
    }
}

impl From<IamError> for ServiceError {
    fn from(error: IamError) -> Self {
        match error {
            IamError::Session(message) | IamError::Validation(message) => Self::client("ValidationError", 400, message),
            IamError::NoSuchEntity(message) => Self::client("NoSuchEntity", 404, message),
            IamError::EntityAlreadyExists(message) => Self::client("EntityAlreadyExists", 409, message),
            IamError::DeleteConflict(message) => Self::client("DeleteConflict", 409, message),
            IamError::LimitExceeded(message) => Self::client("LimitExceeded", 409, message),
            IamError::MalformedPolicy(message) => Self::client("MalformedPolicyDocument", 400, message),
            IamError::InvalidInput(message) => Self::client("InvalidInput", 400, message),
            IamError::Unmodifiable(message) => Self::client("UnmodifiableEntity", 400, message),
            IamError::InvalidParameter(message) => Self::client("InvalidParameterValue", 400, message),
            IamError::PackedPolicyTooLarge(message) => Self::client("PackedPolicyTooLarge", 400, message),
            IamError::AccessDenied(message) => Self::client("AccessDenied", 403, message),
            IamError::InvalidAuthorizationMessage(message) => {
                Self::client("InvalidAuthorizationMessageException", 400, message)
            }
            IamError::Store(error) => {
                tracing::error!(%error, "the store failed");
                Self::server(
                    "ServiceFailure",
                    500,
                    "The request processing has failed because of an unknown error.",
                )
            }
            // The cause may name the machine's paths, so it stays inside.
            _ => Self::server(
                "InternalFailure",
                500,
                "The request processing has failed because of an unknown error.",
            ),
        }
    }
}

/// What IAM's own operations answer with.
pub(crate) type Result<T, E = IamError> = std::result::Result<T, E>;
