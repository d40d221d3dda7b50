use danbi_core::ServiceError;
use danbi_store::StoreError;
use std::path::PathBuf;

/// What can go wrong when credentials are set up or issued. No variant holds a secret.
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
}

impl From<IamError> for ServiceError {
    fn from(error: IamError) -> Self {
        match error {
            IamError::Session(message) => Self::client("ValidationError", 400, message),
            // The cause may name the machine's paths, so it stays inside.
            _ => Self::server(
                "InternalFailure",
                500,
                "The request processing has failed because of an unknown error.",
            ),
        }
    }
}
