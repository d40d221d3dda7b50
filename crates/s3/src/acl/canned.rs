//! The lists that have names.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>.

use super::{Acl, Grant, Grantee, Permission};

/// The EC2 service's own account, which `aws-exec-read` lets read machine images.
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// The list called `name` for something that `owner` has in a bucket of `bucket_owner`, both by canonical user id. A list
/// that means nothing for a bucket is the private one there, as with AWS.
pub(super) fn named(name: &str, owner: &str, bucket_owner: &str) -> Option<Acl> {
    use Permission::{FullControl, Read, ReadAcp, Write};
    let user = |id: &str| Grantee::User(id.to_owned());
    let more: Vec<(Grantee, Permission)> = match name {
        "private" => vec![],
        "public-read" => vec![(Grantee::AllUsers, Read)],
        "public-read-write" => vec![(Grantee::AllUsers, Read), (Grantee::AllUsers, Write)],
        "authenticated-read" => vec![(Grantee::AuthenticatedUsers, Read)],
        "aws-exec-read" => vec![(user(EC2), Read)],
        "log-delivery-write" => vec![(Grantee::LogDelivery, Write), (Grantee::LogDelivery, ReadAcp)],
        "bucket-owner-read" if owner != bucket_owner => vec![(user(bucket_owner), Read)],
        "bucket-owner-full-control" if owner != bucket_owner => vec![(user(bucket_owner), FullControl)],
        "bucket-owner-read" | "bucket-owner-full-control" => vec![],
        _ => return None,
    };
    let mut acl = Acl::private(owner);
    let more = more
        .into_iter()
        .map(|(grantee, permission)| Grant { grantee, permission });
    acl.grants.extend(more);
    Some(acl)
}
