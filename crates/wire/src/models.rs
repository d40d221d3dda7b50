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

/// AWS Identity and Access Management, 2010-05-08.
pub static IAM: LazyModel = LazyModel::new("iam", include_str!("../models/iam.json"));
/// AWS Key Management Service, 2014-11-01.
pub static KMS: LazyModel = LazyModel::new("kms", include_str!("../models/kms.json"));
/// Amazon API Gateway (REST APIs), 2015-07-09.
pub static APIGATEWAY: LazyModel = LazyModel::new("apigateway", include_str!("../models/apigateway.json"));
/// AWS CloudFormation, 2010-05-15.
pub static CLOUDFORMATION: LazyModel = LazyModel::new("cloudformation", include_str!("../models/cloudformation.json"));
/// Amazon EventBridge, 2015-10-07.
pub static EVENTS: LazyModel = LazyModel::new("events", include_str!("../models/events.json"));
/// Amazon EventBridge Scheduler, 2021-06-30.
pub static SCHEDULER: LazyModel = LazyModel::new("scheduler", include_str!("../models/scheduler.json"));
/// Amazon Simple Notification Service, 2010-03-31.
pub static SNS: LazyModel = LazyModel::new("sns", include_str!("../models/sns.json"));
/// AWS Systems Manager, 2014-11-06.
pub static SSM: LazyModel = LazyModel::new("ssm", include_str!("../models/ssm.json"));
/// Amazon Simple Queue Service, 2012-11-05: JSON, and the query protocol of older clients.
pub static SQS: LazyModel = LazyModel::new("sqs", include_str!("../models/sqs.json")).judges_itself();
/// Amazon CloudWatch (metrics and alarms), 2010-08-01.
pub static CLOUDWATCH: LazyModel = LazyModel::new("cloudwatch", include_str!("../models/cloudwatch.json"));
/// Amazon Relational Database Service, 2014-10-31.
pub static RDS: LazyModel =
    LazyModel::new("rds", include_str!("../models/rds.json")).validation_code("InvalidParameterValue");
/// The Data API of Amazon RDS, 2018-08-01.
pub static RDS_DATA: LazyModel =
    LazyModel::new("rds-data", include_str!("../models/rds-data.json")).validation_code("BadRequestException");

/// All of them.
pub static ALL: [&LazyModel; 18] = [
    &LAMBDA,
    &LOGS,
    &S3,
    &DYNAMODB,
    &DYNAMODB_STREAMS,
    &STS,
    &IAM,
    &KMS,
    &APIGATEWAY,
    &CLOUDFORMATION,
    &EVENTS,
    &SCHEDULER,
    &SNS,
    &SSM,
    &SQS,
    &CLOUDWATCH,
    &RDS,
    &RDS_DATA,
];
