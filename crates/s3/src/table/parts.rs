use crate::shapes::operations as op;
use crate::{S3, archive, copy, facets, multipart, parts_access as access, select};
use danbi_wire::ServiceBuilder;

/// Multipart uploads, copies, and what there is of an object apart from its bytes.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on(
            op::CreateMultipartUpload,
            access::create_upload,
            multipart::create::create,
        )
        .on(op::UploadPart, access::upload_part, multipart::upload_part::upload)
        .body_limit_of(op::UploadPart, multipart::MAX_PART_BYTES as usize)
        .on(
            op::UploadPartCopy,
            access::upload_part_copy,
            multipart::upload_part_copy::copy,
        )
        .on(
            op::CompleteMultipartUpload,
            access::complete_upload,
            multipart::complete::complete,
        )
        .on(op::AbortMultipartUpload, access::abort_upload, multipart::abort::abort)
        .on(op::ListParts, access::list_parts, multipart::list_parts::list)
        .on(
            op::ListMultipartUploads,
            access::list_uploads,
            multipart::list_uploads::list,
        )
        .on(op::CopyObject, access::copy_object, copy::object::copy)
        .on(op::GetObjectAttributes, access::get_attributes, facets::attributes::get)
        .on(op::GetObjectTagging, access::get_tagging, facets::tagging::get)
        .on(op::PutObjectTagging, access::put_tagging, facets::tagging::put)
        .on(op::DeleteObjectTagging, access::delete_tagging, facets::tagging::delete)
        .on_parts(op::GetObjectTorrent, access::get_torrent, facets::torrent::get)
        .on(op::GetObjectRetention, access::get_retention, facets::retention::get)
        .on(op::PutObjectRetention, access::put_retention, facets::retention::put)
        .on(op::GetObjectLegalHold, access::get_legal_hold, facets::legal_hold::get)
        .on(op::PutObjectLegalHold, access::put_legal_hold, facets::legal_hold::put)
        .on(
            op::UpdateObjectEncryption,
            access::update_encryption,
            facets::encryption::update,
        )
        .on_parts(op::RestoreObject, access::restore, archive::restore)
        .on_stream(op::SelectObjectContent, access::select, select::select)
}
