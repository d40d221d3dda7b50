//! Every operation that is built, with the permission it needs and the function that does it.

mod buckets;
mod configurations;
mod guards;
mod listing;
mod objects;
mod parts;

use crate::{S3, post_object};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// The largest request that is not an object's content, in bytes: the 1 MiB document of a `DeleteObjects` or
/// `CompleteMultipartUpload` with all it may hold.
const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// The S3 API.
pub fn service(s3: Arc<S3>) -> Service {
    let service = Service::builder(&models::S3, Arc::clone(&s3))
        .body_limit(MAX_DOCUMENT_BYTES)
        .anonymous()
        .cross_origin(s3)
        .on_form(post_object::MAX_FORM_BYTES, post_object::post);
    let service = buckets::add(service);
    let service = objects::add(service);
    let service = listing::add(service);
    let service = parts::add(service);
    let service = guards::add(service);
    let service = configurations::add(service);
    service.build()
}
