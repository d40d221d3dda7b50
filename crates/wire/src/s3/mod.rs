//! What Amazon S3's protocol has of its own: virtual hosts, routing by subresource, names of documents, error headers.
//!
//! S3 speaks restXml, but it is older than the protocol. The rest of this crate asks [`is_s3`] where the two differ.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html>.

mod address;
mod documents;
mod host;
mod identity;
mod routes;

pub(crate) use address::Address;
pub(crate) use documents::{NAMESPACE, location_constraint, root_name};
pub use host::{Endpoint, Host};
pub(crate) use identity::{HOST_ID, REQUEST_ID, SERVER};
pub use identity::{host_id, request_id};
pub(crate) use routes::{find, has_subresource};

use crate::model::Model;

/// Whether the model is Amazon S3's.
pub(crate) fn is_s3(model: &Model) -> bool {
    model.metadata.signing_name == "s3"
}
