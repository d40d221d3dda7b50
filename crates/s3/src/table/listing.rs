use crate::shapes::operations as op;
use crate::{S3, access, listing};
use danbi_wire::ServiceBuilder;

/// Lists of objects and versions.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on(
            op::ListObjects,
            |_, _, input| {
                access::list(
                    "s3:ListBucket",
                    &input.bucket,
                    &input.prefix,
                    &input.delimiter,
                    input.max_keys,
                )
            },
            listing::objects::list_v1,
        )
        .on(
            op::ListObjectsV2,
            |_, _, input| {
                access::list(
                    "s3:ListBucket",
                    &input.bucket,
                    &input.prefix,
                    &input.delimiter,
                    input.max_keys,
                )
            },
            listing::objects::list_v2,
        )
        .on(
            op::ListObjectVersions,
            |_, _, input| {
                let action = "s3:ListBucketVersions";
                access::list(action, &input.bucket, &input.prefix, &input.delimiter, input.max_keys)
            },
            listing::versions::list_versions,
        )
}
