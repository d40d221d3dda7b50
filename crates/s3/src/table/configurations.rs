use crate::configurations::{
    accelerate, analytics, cors, encryption, inventory, logging, metrics, object_lock, replication, request_payment,
    tagging, tiering, website,
};
use crate::shapes::operations as op;
use crate::{S3, access};
use crate::{lifecycle, notifications};
use danbi_wire::ServiceBuilder;

/// What else is kept for a bucket.
pub(super) fn add(service: ServiceBuilder<S3>) -> ServiceBuilder<S3> {
    service
        .on(
            op::PutBucketLifecycleConfiguration,
            |_, _, input| access::bucket("s3:PutLifecycleConfiguration", &input.bucket),
            lifecycle::put,
        )
        .on(
            op::GetBucketLifecycleConfiguration,
            |_, _, input| access::bucket("s3:GetLifecycleConfiguration", &input.bucket),
            lifecycle::get,
        )
        .on(
            op::DeleteBucketLifecycle,
            |_, _, input| access::bucket("s3:PutLifecycleConfiguration", &input.bucket),
            lifecycle::delete,
        )
        .on(
            op::PutBucketNotificationConfiguration,
            |_, _, input| access::bucket("s3:PutBucketNotification", &input.bucket),
            notifications::put,
        )
        .on(
            op::GetBucketNotificationConfiguration,
            |_, _, input| access::bucket("s3:GetBucketNotification", &input.bucket),
            notifications::get,
        )
        .on(
            op::PutBucketTagging,
            |_, _, input| access::bucket("s3:PutBucketTagging", &input.bucket),
            tagging::put,
        )
        .on(
            op::GetBucketTagging,
            |_, _, input| access::bucket("s3:GetBucketTagging", &input.bucket),
            tagging::get,
        )
        .on(
            op::DeleteBucketTagging,
            |_, _, input| access::bucket("s3:PutBucketTagging", &input.bucket),
            tagging::delete,
        )
        .on(
            op::PutBucketCors,
            |_, _, input| access::bucket("s3:PutBucketCORS", &input.bucket),
            cors::put,
        )
        .on(
            op::GetBucketCors,
            |_, _, input| access::bucket("s3:GetBucketCORS", &input.bucket),
            cors::get,
        )
        .on(
            op::DeleteBucketCors,
            |_, _, input| access::bucket("s3:PutBucketCORS", &input.bucket),
            cors::delete,
        )
        .on(
            op::PutBucketWebsite,
            |_, _, input| access::bucket("s3:PutBucketWebsite", &input.bucket),
            website::put,
        )
        .on(
            op::GetBucketWebsite,
            |_, _, input| access::bucket("s3:GetBucketWebsite", &input.bucket),
            website::get,
        )
        .on(
            op::DeleteBucketWebsite,
            |_, _, input| access::bucket("s3:DeleteBucketWebsite", &input.bucket),
            website::delete,
        )
        .on(
            op::PutBucketEncryption,
            |_, _, input| access::bucket("s3:PutEncryptionConfiguration", &input.bucket),
            encryption::put,
        )
        .on(
            op::GetBucketEncryption,
            |_, _, input| access::bucket("s3:GetEncryptionConfiguration", &input.bucket),
            encryption::get,
        )
        .on(
            op::DeleteBucketEncryption,
            |_, _, input| access::bucket("s3:PutEncryptionConfiguration", &input.bucket),
            encryption::delete,
        )
        .on(
            op::PutBucketReplication,
            |_, _, input| access::bucket("s3:PutReplicationConfiguration", &input.bucket),
            replication::put,
        )
        .on(
            op::GetBucketReplication,
            |_, _, input| access::bucket("s3:GetReplicationConfiguration", &input.bucket),
            replication::get,
        )
        .on(
            op::DeleteBucketReplication,
            |_, _, input| access::bucket("s3:PutReplicationConfiguration", &input.bucket),
            replication::delete,
        )
        .on(
            op::PutObjectLockConfiguration,
            |_, _, input| access::bucket("s3:PutBucketObjectLockConfiguration", &input.bucket),
            object_lock::put,
        )
        .on(
            op::GetObjectLockConfiguration,
            |_, _, input| access::bucket("s3:GetBucketObjectLockConfiguration", &input.bucket),
            object_lock::get,
        )
        .on(
            op::PutBucketLogging,
            |_, _, input| access::bucket("s3:PutBucketLogging", &input.bucket),
            logging::put,
        )
        .on(
            op::GetBucketLogging,
            |_, _, input| access::bucket("s3:GetBucketLogging", &input.bucket),
            logging::get,
        )
        .on(
            op::PutBucketAccelerateConfiguration,
            |_, _, input| access::bucket("s3:PutAccelerateConfiguration", &input.bucket),
            accelerate::put,
        )
        .on(
            op::GetBucketAccelerateConfiguration,
            |_, _, input| access::bucket("s3:GetAccelerateConfiguration", &input.bucket),
            accelerate::get,
        )
        .on(
            op::PutBucketRequestPayment,
            |_, _, input| access::bucket("s3:PutBucketRequestPayment", &input.bucket),
            request_payment::put,
        )
        .on(
            op::GetBucketRequestPayment,
            |_, _, input| access::bucket("s3:GetBucketRequestPayment", &input.bucket),
            request_payment::get,
        )
        .on(
            op::PutBucketAnalyticsConfiguration,
            |_, _, input| access::bucket("s3:PutAnalyticsConfiguration", &input.bucket),
            analytics::put,
        )
        .on(
            op::GetBucketAnalyticsConfiguration,
            |_, _, input| access::bucket("s3:GetAnalyticsConfiguration", &input.bucket),
            analytics::get,
        )
        .on(
            op::DeleteBucketAnalyticsConfiguration,
            |_, _, input| access::bucket("s3:PutAnalyticsConfiguration", &input.bucket),
            analytics::delete,
        )
        .on(
            op::ListBucketAnalyticsConfigurations,
            |_, _, input| access::bucket("s3:GetAnalyticsConfiguration", &input.bucket),
            analytics::list,
        )
        .on(
            op::PutBucketInventoryConfiguration,
            |_, _, input| access::bucket("s3:PutInventoryConfiguration", &input.bucket),
            inventory::put,
        )
        .on(
            op::GetBucketInventoryConfiguration,
            |_, _, input| access::bucket("s3:GetInventoryConfiguration", &input.bucket),
            inventory::get,
        )
        .on(
            op::DeleteBucketInventoryConfiguration,
            |_, _, input| access::bucket("s3:PutInventoryConfiguration", &input.bucket),
            inventory::delete,
        )
        .on(
            op::ListBucketInventoryConfigurations,
            |_, _, input| access::bucket("s3:GetInventoryConfiguration", &input.bucket),
            inventory::list,
        )
        .on(
            op::PutBucketMetricsConfiguration,
            |_, _, input| access::bucket("s3:PutMetricsConfiguration", &input.bucket),
            metrics::put,
        )
        .on(
            op::GetBucketMetricsConfiguration,
            |_, _, input| access::bucket("s3:GetMetricsConfiguration", &input.bucket),
            metrics::get,
        )
        .on(
            op::DeleteBucketMetricsConfiguration,
            |_, _, input| access::bucket("s3:PutMetricsConfiguration", &input.bucket),
            metrics::delete,
        )
        .on(
            op::ListBucketMetricsConfigurations,
            |_, _, input| access::bucket("s3:GetMetricsConfiguration", &input.bucket),
            metrics::list,
        )
        .on(
            op::PutBucketIntelligentTieringConfiguration,
            |_, _, input| access::bucket("s3:PutIntelligentTieringConfiguration", &input.bucket),
            tiering::put,
        )
        .on(
            op::GetBucketIntelligentTieringConfiguration,
            |_, _, input| access::bucket("s3:GetIntelligentTieringConfiguration", &input.bucket),
            tiering::get,
        )
        .on(
            op::DeleteBucketIntelligentTieringConfiguration,
            |_, _, input| access::bucket("s3:PutIntelligentTieringConfiguration", &input.bucket),
            tiering::delete,
        )
        .on(
            op::ListBucketIntelligentTieringConfigurations,
            |_, _, input| access::bucket("s3:GetIntelligentTieringConfiguration", &input.bucket),
            tiering::list,
        )
}
