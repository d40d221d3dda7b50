//! The services that Danbi knows, trimmed from AWS's models by `cargo xtask model`.

use crate::LazyModel;

/// AWS Lambda, 2015-03-31.
pub static LAMBDA: LazyModel = LazyModel::new("lambda", include_str!("../models/lambda.json"));
/// Amazon CloudWatch Logs, 2014-03-28.
pub static LOGS: LazyModel =
    LazyModel::new("logs", include_str!("../models/logs.json")).validation_code("InvalidParameterException");
/// Amazon S3, 2006-03-01.
pub static S3: LazyModel = LazyModel::new("s3", include_str!("../models/s3.json"));
/// Amazon DynamoDB, 2012-08-10.
pub static DYNAMODB: LazyModel = LazyModel::new("dynamodb", include_str!("../models/dynamodb.json"));
/// Amazon DynamoDB Streams, 2012-08-10.
pub static DYNAMODB_STREAMS: LazyModel =
    LazyModel::new("dynamodbstreams", include_str!("../models/dynamodbstreams.json"));
/// AWS Security Token Service, 2011-06-15.
pub static STS: LazyModel = LazyModel::new("sts", include_str!("../models/sts.json"));

/// All of them.
pub static ALL: [&LazyModel; 6] = [&LAMBDA, &LOGS, &S3, &DYNAMODB, &DYNAMODB_STREAMS, &STS];
