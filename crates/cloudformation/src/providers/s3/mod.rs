//! AWS::S3

mod bucket;
mod bucket_policy;
mod settings;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&bucket::Bucket, &bucket_policy::BucketPolicy];
