//! Amazon S3: buckets and objects.

pub mod checksum;
pub mod crypto;
mod shapes;
