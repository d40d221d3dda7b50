use crate::shapes::operations as op;
use crate::{S3, access, buckets};
use danbi_core::Access;
use danbi_wire::ServiceBuilder;

/// Buckets themselves.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on(op::CreateBucket, access::create_bucket, buckets::create::create)
        .on(
            op::HeadBucket,
            |_, _, input| access::bucket("s3:ListBucket", &input.bucket),
            buckets::get::head,
        )
        .on(
            op::ListBuckets,
            |_, _, _| Ok(Access::any("s3:ListAllMyBuckets")),
            buckets::list::list,
        )
        .on(
            op::DeleteBucket,
            |_, _, input| access::bucket("s3:DeleteBucket", &input.bucket),
            buckets::delete::delete,
        )
        .on(
            op::GetBucketLocation,
            |_, _, input| access::bucket("s3:GetBucketLocation", &input.bucket),
            buckets::get::location,
        )
        .on(
            op::GetBucketVersioning,
            |_, _, input| access::bucket("s3:GetBucketVersioning", &input.bucket),
            buckets::versioning::get,
        )
        .on(
            op::PutBucketVersioning,
            |_, _, input| access::bucket("s3:PutBucketVersioning", &input.bucket),
            buckets::versioning::put,
        )
}
