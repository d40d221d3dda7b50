//! The names of S3's documents, which its published model leaves out.
//! Source: the response syntax of each operation in <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html>.

use quick_xml::escape::escape;

/// The name space of every document but errors.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The root element of an output shape, where it is not the shape's own name.
pub(crate) fn root_name(shape: &str) -> Option<&'static str> {
    Some(match shape {
        "ListBucketsOutput" => "ListAllMyBucketsResult",
        "ListObjectsOutput" | "ListObjectsV2Output" => "ListBucketResult",
        "ListObjectVersionsOutput" => "ListVersionsResult",
        "ListMultipartUploadsOutput" => "ListMultipartUploadsResult",
        "ListPartsOutput" => "ListPartsResult",
        "CreateMultipartUploadOutput" => "InitiateMultipartUploadResult",
        "CompleteMultipartUploadOutput" => "CompleteMultipartUploadResult",
        "DeleteObjectsOutput" => "DeleteResult",
        "GetBucketAclOutput" | "GetObjectAclOutput" => "AccessControlPolicy",
        "GetBucketCorsOutput" => "CORSConfiguration",
        "GetBucketLifecycleOutput" | "GetBucketLifecycleConfigurationOutput" => "LifecycleConfiguration",
        "GetBucketLoggingOutput" => "BucketLoggingStatus",
        "GetBucketRequestPaymentOutput" => "RequestPaymentConfiguration",
        "GetBucketTaggingOutput" | "GetObjectTaggingOutput" => "Tagging",
        "GetBucketVersioningOutput" => "VersioningConfiguration",
        "GetBucketWebsiteOutput" => "WebsiteConfiguration",
        "GetBucketAccelerateConfigurationOutput" => "AccelerateConfiguration",
        "GetObjectAttributesOutput" => "GetObjectAttributesResponse",
        "ListBucketAnalyticsConfigurationsOutput" => "ListBucketAnalyticsConfigurationResult",
        "ListBucketInventoryConfigurationsOutput" => "ListInventoryConfigurationsResult",
        "ListBucketMetricsConfigurationsOutput" => "ListMetricsConfigurationsResult",
        "CopyPartResult" => "CopyPartResult",
        _ => return None,
    })
}

/// The answer of `GetBucketLocation`: the one document whose root is text.
pub(crate) fn location_constraint(region: Option<&str>) -> Vec<u8> {
    let region = escape(region.unwrap_or_default());
    format!("<LocationConstraint xmlns=\"{NAMESPACE}\">{region}</LocationConstraint>").into_bytes()
}
