//! What a request says of its own signature.

use crate::sigv4::{Location, RequestView};
use danbi_core::ServiceError;

/// A well-formed, not yet verified statement of who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Header or query.
    pub(crate) location: Location,
    pub(crate) access_key_id: String,
    pub(super) session_token: Option<String>,
    /// In base64, as it was given.
    pub(super) signature: String,
    /// For a query, until when it is good, as it was given.
    pub(super) expires: Option<String>,
}

impl Claim {
    /// Reads the claim; `None` when the request bears no signature of version 2.
    ///
    /// # Errors
    /// S3's `InvalidArgument` for a header that is none, `AccessDenied` for a query that lacks a part.
    pub(crate) fn parse(view: &RequestView<'_>) -> Result<Option<Self>, ServiceError> {
        let authorization = view.header("authorization").unwrap_or_default();
        let in_query = view.parameter("AWSAccessKeyId");
        match (authorization.strip_prefix("AWS "), in_query) {
            (Some(rest), None) => Self::from_header(view, rest).map(Some),
            (None, Some(id)) if authorization.is_empty() && view.parameter("X-Amz-Algorithm").is_none() => {
                Self::from_query(view, id).map(Some)
            }
            (_, Some(_)) => Err(several_mechanisms()),
            (None, None) => Ok(None),
        }
    }

    fn from_header(view: &RequestView<'_>, text: &str) -> Result<Self, ServiceError> {
        let parts = text
            .trim()
            .split_once(':')
            .filter(|(id, signature)| !id.is_empty() && !signature.is_empty());
        let Some((id, signature)) = parts else {
            let message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature";
            return Err(ServiceError::client("InvalidArgument", 400, message)
                .with("ArgumentName", "Authorization")
                .with("ArgumentValue", "AWS …"));
        };
        Ok(Self {
            location: Location::Header,
            access_key_id: id.into(),
            session_token: view.header("x-amz-security-token").map(str::to_owned),
            signature: signature.into(),
            expires: None,
        })
    }

    fn from_query(view: &RequestView<'_>, id: String) -> Result<Self, ServiceError> {
        let (Some(signature), Some(expires)) = (view.parameter("Signature"), view.parameter("Expires")) else {
            let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
            return Err(ServiceError::client("AccessDenied", 403, message));
        };
        Ok(Self {
            location: Location::Query,
            access_key_id: id,
            session_token: view.parameter("x-amz-security-token"),
            signature,
            expires: Some(expires),
        })
    }
}

fn several_mechanisms() -> ServiceError {
    let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified";
    ServiceError::client("InvalidArgument", 400, message).with("ArgumentName", "Authorization")
}
