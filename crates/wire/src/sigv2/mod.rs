//! AWS Signature Version 2, as Amazon S3 still takes it: HMAC-SHA1 over a few parts of the request, the body not among
//! them. For S3 alone, and for clients that know nothing newer; every other service refuses it.
//!
//! Sources: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html>.

mod canonical;
mod claim;
mod verify;

pub(crate) use claim::Claim;
