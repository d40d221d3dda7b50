use crate::shapes::operations as op;
use crate::{S3, access, acl, ownership, policy, public_access};
use danbi_wire::ServiceBuilder;

/// Who may do what: policies, lists, ownership, public access.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on_parts(
            op::PutBucketPolicy,
            |_, _, input| access::bucket("s3:PutBucketPolicy", &input.bucket),
            policy::put,
        )
        .on(
            op::GetBucketPolicy,
            |_, _, input| access::bucket("s3:GetBucketPolicy", &input.bucket),
            policy::get,
        )
        .on(
            op::GetBucketPolicyStatus,
            |_, _, input| access::bucket("s3:GetBucketPolicyStatus", &input.bucket),
            policy::status,
        )
        .on(
            op::DeleteBucketPolicy,
            |_, _, input| access::bucket("s3:DeleteBucketPolicy", &input.bucket),
            policy::delete,
        )
        .on(
            op::PutPublicAccessBlock,
            |_, _, input| access::bucket("s3:PutBucketPublicAccessBlock", &input.bucket),
            public_access::put,
        )
        .on(
            op::GetPublicAccessBlock,
            |_, _, input| access::bucket("s3:GetBucketPublicAccessBlock", &input.bucket),
            public_access::get,
        )
        .on(
            op::DeletePublicAccessBlock,
            |_, _, input| access::bucket("s3:PutBucketPublicAccessBlock", &input.bucket),
            public_access::delete,
        )
        .on(
            op::PutBucketOwnershipControls,
            |_, _, input| access::bucket("s3:PutBucketOwnershipControls", &input.bucket),
            ownership::put,
        )
        .on(
            op::GetBucketOwnershipControls,
            |_, _, input| access::bucket("s3:GetBucketOwnershipControls", &input.bucket),
            ownership::get,
        )
        .on(
            op::DeleteBucketOwnershipControls,
            |_, _, input| access::bucket("s3:PutBucketOwnershipControls", &input.bucket),
            ownership::delete,
        )
        .on(
            op::GetBucketAcl,
            |_, _, input| access::bucket("s3:GetBucketAcl", &input.bucket),
            acl::get_bucket,
        )
        .on(op::PutBucketAcl, access::put_bucket_acl, acl::put_bucket)
        .on(
            op::GetObjectAcl,
            |_, _, input| {
                let (action, of_version) = ("s3:GetObjectAcl", "s3:GetObjectVersionAcl");
                access::versioned(
                    action,
                    of_version,
                    &input.bucket,
                    &input.key,
                    input.version_id.as_deref(),
                )
            },
            acl::get_object,
        )
        .on(op::PutObjectAcl, access::put_object_acl, acl::put_object)
}
