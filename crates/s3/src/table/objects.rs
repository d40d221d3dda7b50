use crate::shapes::operations as op;
use crate::{S3, access, objects};
use danbi_wire::ServiceBuilder;

/// Objects: put, get, delete.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on(op::PutObject, access::put_object, objects::put::put)
        .body_limit_of(op::PutObject, objects::put::MAX_PUT_BYTES as usize)
        .on_parts(
            op::GetObject,
            |_, _, input| {
                let (get, version) = ("s3:GetObject", "s3:GetObjectVersion");
                access::versioned(get, version, &input.bucket, &input.key, input.version_id.as_deref())
            },
            objects::get::get,
        )
        .on_parts(
            op::HeadObject,
            |_, _, input| {
                let (get, version) = ("s3:GetObject", "s3:GetObjectVersion");
                access::versioned(get, version, &input.bucket, &input.key, input.version_id.as_deref())
            },
            objects::get::head,
        )
        .on(op::DeleteObject, access::delete_object, objects::delete::delete)
        .on(
            op::DeleteObjects,
            // Whether a key may go is asked for each; the bucket must be one that the caller may know of.
            |_, _, _| Ok(Vec::<danbi_core::Access>::new()),
            objects::delete_many::delete_many,
        )
}
