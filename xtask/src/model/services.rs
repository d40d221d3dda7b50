//! The services and operations that get typed shapes: the table to extend.

/// One AWS service whose model the platform knows.
pub(super) struct Service {
    /// The folder in botocore's `data` and the file name under `crates/wire/models`.
    pub(super) name: &'static str,
    /// The crate whose `src` takes the generated shapes.
    pub(super) home: &'static str,
    /// The generated file in it.
    pub(super) file: &'static str,
    /// The operations that get shapes.
    pub(super) operations: &'static [&'static str],
    /// Enums whose values the service itself judges, because it takes more than the model lists.
    pub(super) open_enums: &'static [&'static str],
    /// Shapes that the crate has a type of its own for, with its path.
    pub(super) own_types: &'static [(&'static str, &'static str)],
}

/// The table to extend when a service or an operation is added.
pub(super) const SERVICES: &[Service] = &[
    Service {
        name: "lambda",
        home: "lambda",
        file: "shapes.rs",
        operations: LAMBDA,
        open_enums: &["Runtime"],
        own_types: &[],
    },
    Service {
        name: "logs",
        home: "logs",
        file: "shapes.rs",
        operations: LOGS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "s3",
        home: "s3",
        file: "shapes.rs",
        operations: S3,
        open_enums: &["BucketLocationConstraint", "Event"],
        own_types: &[],
    },
    Service {
        name: "dynamodb",
        home: "dynamodb",
        file: "shapes.rs",
        operations: DYNAMODB,
        open_enums: &[],
        own_types: DYNAMODB_TYPES,
    },
    Service {
        name: "dynamodbstreams",
        home: "dynamodb",
        file: "stream_shapes.rs",
        operations: &["ListStreams", "DescribeStream", "GetShardIterator", "GetRecords"],
        open_enums: &[],
        own_types: DYNAMODB_TYPES,
    },
    Service {
        name: "sts",
        home: "iam",
        file: "shapes.rs",
        operations: STS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "iam",
        home: "iam",
        file: "iam_shapes.rs",
        operations: IAM,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "kms",
        home: "kms",
        file: "shapes.rs",
        operations: KMS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "apigateway",
        home: "apigateway",
        file: "shapes.rs",
        operations: APIGATEWAY,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "cloudformation",
        home: "cloudformation",
        file: "shapes.rs",
        operations: CLOUDFORMATION,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "events",
        home: "events",
        file: "shapes.rs",
        operations: EVENTS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "scheduler",
        home: "events",
        file: "scheduler_shapes.rs",
        operations: SCHEDULER,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "sns",
        home: "sns",
        file: "shapes.rs",
        operations: SNS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "ssm",
        home: "ssm",
        file: "shapes.rs",
        operations: SSM,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "sqs",
        home: "sqs",
        file: "shapes.rs",
        operations: SQS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "cloudwatch",
        home: "logs",
        file: "metric_shapes.rs",
        operations: CLOUDWATCH,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "rds",
        home: "rds",
        file: "shapes.rs",
        operations: RDS,
        open_enums: &[],
        own_types: &[],
    },
    Service {
        name: "rds-data",
        home: "rds",
        file: "data_shapes.rs",
        operations: &[
            "BatchExecuteStatement",
            "BeginTransaction",
            "CommitTransaction",
            "ExecuteStatement",
            "RollbackTransaction",
        ],
        open_enums: &[],
        own_types: &[],
    },
];

#[rustfmt::skip]
const RDS: &[&str] = &[
    "CreateDBInstance", "DescribeDBInstances", "ModifyDBInstance", "StartDBInstance", "StopDBInstance",
    "RebootDBInstance", "DeleteDBInstance",
    "CreateDBCluster", "DescribeDBClusters", "ModifyDBCluster", "StartDBCluster", "StopDBCluster", "RebootDBCluster",
    "DeleteDBCluster",
    "CreateDBSnapshot", "CopyDBSnapshot", "DescribeDBSnapshots", "DeleteDBSnapshot",
    "CreateDBClusterSnapshot", "CopyDBClusterSnapshot", "DescribeDBClusterSnapshots", "DeleteDBClusterSnapshot",
    "RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime", "RestoreDBClusterFromSnapshot",
    "RestoreDBClusterToPointInTime", "DescribeDBInstanceAutomatedBackups",
    "CreateDBParameterGroup", "DescribeDBParameterGroups", "ModifyDBParameterGroup", "ResetDBParameterGroup",
    "DeleteDBParameterGroup", "DescribeDBParameters",
    "CreateDBClusterParameterGroup", "DescribeDBClusterParameterGroups", "ModifyDBClusterParameterGroup",
    "ResetDBClusterParameterGroup", "DeleteDBClusterParameterGroup", "DescribeDBClusterParameters",
    "CreateDBSubnetGroup", "DescribeDBSubnetGroups", "ModifyDBSubnetGroup", "DeleteDBSubnetGroup",
    "DescribeDBSnapshotAttributes", "ModifyDBSnapshotAttribute", "DescribeDBClusterSnapshotAttributes",
    "ModifyDBClusterSnapshotAttribute",
    "DescribeDBEngineVersions", "DescribeOrderableDBInstanceOptions", "DescribeCertificates", "DescribeGlobalClusters",
    "DescribeEvents", "DescribeEventCategories", "DescribeDBLogFiles", "DownloadDBLogFilePortion",
    "DescribePendingMaintenanceActions",
    "AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource",
];
#[rustfmt::skip]
const LAMBDA: &[&str] = &[
    "CreateFunction", "GetFunction", "GetFunctionConfiguration", "ListFunctions", "UpdateFunctionCode",
    "UpdateFunctionConfiguration", "DeleteFunction",
    "PublishVersion", "ListVersionsByFunction",
    "CreateAlias", "GetAlias", "UpdateAlias", "DeleteAlias", "ListAliases",
    "AddPermission", "GetPolicy", "RemovePermission",
    "CreateFunctionUrlConfig", "GetFunctionUrlConfig", "UpdateFunctionUrlConfig", "DeleteFunctionUrlConfig",
    "ListFunctionUrlConfigs",
    "PublishLayerVersion", "GetLayerVersion", "GetLayerVersionByArn", "ListLayers", "ListLayerVersions",
    "DeleteLayerVersion", "AddLayerVersionPermission", "GetLayerVersionPolicy", "RemoveLayerVersionPermission",
    "TagResource", "UntagResource", "ListTags",
    "PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency",
    "PutProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig", "ListProvisionedConcurrencyConfigs",
    "DeleteProvisionedConcurrencyConfig",
    "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig",
    "DeleteFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs",
    "GetAccountSettings",
    "Invoke", "InvokeWithResponseStream",
    "PutRuntimeManagementConfig", "GetRuntimeManagementConfig",
    "PutFunctionRecursionConfig", "GetFunctionRecursionConfig",
    "GetFunctionCodeSigningConfig",
    "CreateEventSourceMapping", "GetEventSourceMapping", "ListEventSourceMappings", "UpdateEventSourceMapping",
    "DeleteEventSourceMapping",
];

#[rustfmt::skip]
const LOGS: &[&str] = &[
    "CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups", "ListLogGroups",
    "CreateLogStream", "DeleteLogStream", "DescribeLogStreams",
    "PutLogEvents", "GetLogEvents", "FilterLogEvents", "TestMetricFilter", "StartLiveTail",
    "PutRetentionPolicy", "DeleteRetentionPolicy",
    "TagResource", "UntagResource", "ListTagsForResource", "TagLogGroup", "UntagLogGroup", "ListTagsLogGroup",
];

#[rustfmt::skip]
const S3: &[&str] = &[
    "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload",
    "DeleteBucket", "DeleteBucketAnalyticsConfiguration", "DeleteBucketCors", "DeleteBucketEncryption",
    "DeleteBucketIntelligentTieringConfiguration", "DeleteBucketInventoryConfiguration", "DeleteBucketLifecycle",
    "DeleteBucketMetricsConfiguration", "DeleteBucketOwnershipControls", "DeleteBucketPolicy",
    "DeleteBucketReplication", "DeleteBucketTagging", "DeleteBucketWebsite", "DeleteObject", "DeleteObjectTagging",
    "DeleteObjects", "DeletePublicAccessBlock", "GetBucketAccelerateConfiguration", "GetBucketAcl",
    "GetBucketAnalyticsConfiguration", "GetBucketCors", "GetBucketEncryption",
    "GetBucketIntelligentTieringConfiguration", "GetBucketInventoryConfiguration", "GetBucketLifecycleConfiguration",
    "GetBucketLocation", "GetBucketLogging", "GetBucketMetricsConfiguration", "GetBucketNotificationConfiguration",
    "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPolicyStatus", "GetBucketReplication",
    "GetBucketRequestPayment", "GetBucketTagging", "GetBucketVersioning", "GetBucketWebsite", "GetObject",
    "GetObjectAcl", "GetObjectAttributes", "GetObjectLegalHold", "GetObjectLockConfiguration", "GetObjectRetention",
    "GetObjectTagging", "GetObjectTorrent", "GetPublicAccessBlock", "HeadBucket", "HeadObject",
    "ListBucketAnalyticsConfigurations", "ListBucketIntelligentTieringConfigurations",
    "ListBucketInventoryConfigurations",
    "ListBucketMetricsConfigurations", "ListBuckets", "ListMultipartUploads", "ListObjectVersions", "ListObjects",
    "ListObjectsV2", "ListParts", "PutBucketAccelerateConfiguration", "PutBucketAcl",
    "PutBucketAnalyticsConfiguration", "PutBucketCors", "PutBucketEncryption",
    "PutBucketIntelligentTieringConfiguration", "PutBucketInventoryConfiguration", "PutBucketLifecycleConfiguration",
    "PutBucketLogging", "PutBucketMetricsConfiguration", "PutBucketNotificationConfiguration",
    "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketReplication", "PutBucketRequestPayment",
    "PutBucketTagging", "PutBucketVersioning", "PutBucketWebsite", "PutObject", "PutObjectAcl", "PutObjectLegalHold",
    "PutObjectLockConfiguration", "PutObjectRetention", "PutObjectTagging", "PutPublicAccessBlock", "RestoreObject",
    "SelectObjectContent", "UpdateObjectEncryption", "UploadPart", "UploadPartCopy",
];

#[rustfmt::skip]
const DYNAMODB: &[&str] = &[
    "BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "CreateBackup", "CreateTable", "DeleteBackup",
    "DeleteItem", "DeleteResourcePolicy", "DeleteTable", "DescribeBackup", "DescribeContinuousBackups",
    "DescribeEndpoints", "DescribeExport", "DescribeImport", "DescribeLimits", "DescribeTable", "DescribeTimeToLive",
    "ExecuteStatement", "ExecuteTransaction", "ExportTableToPointInTime", "GetItem", "GetResourcePolicy",
    "ImportTable", "ListBackups", "ListExports", "ListImports", "ListTables", "ListTagsOfResource", "PutItem",
    "PutResourcePolicy", "Query", "RestoreTableFromBackup", "RestoreTableToPointInTime", "Scan", "TagResource",
    "TransactGetItems", "TransactWriteItems", "UntagResource", "UpdateContinuousBackups", "UpdateItem", "UpdateTable",
    "UpdateTimeToLive",
];

/// Values have a type of the crate's own; times are written by serde alone, so they must know their form.
#[rustfmt::skip]
const DYNAMODB_TYPES: &[(&str, &str)] = &[
    ("AttributeValue", "crate::AttributeValue"), ("PartiQLStatement", "crate::partiql::StatementText"),
    ("BackupCreationDateTime", EPOCH_SECONDS), ("Date", EPOCH_SECONDS), ("ExportEndTime", EPOCH_SECONDS),
    ("ExportFromTime", EPOCH_SECONDS), ("ExportStartTime", EPOCH_SECONDS), ("ExportTime", EPOCH_SECONDS),
    ("ExportToTime", EPOCH_SECONDS), ("ImportEndTime", EPOCH_SECONDS), ("ImportStartTime", EPOCH_SECONDS),
    ("TableCreationDateTime", EPOCH_SECONDS), ("TimeRangeLowerBound", EPOCH_SECONDS),
    ("TimeRangeUpperBound", EPOCH_SECONDS),
];

const EPOCH_SECONDS: &str = "danbi_wire::EpochSeconds";

#[rustfmt::skip]
const STS: &[&str] = &[
    "AssumeRole", "AssumeRoleWithWebIdentity", "DecodeAuthorizationMessage", "GetAccessKeyInfo",
    "GetCallerIdentity", "GetFederationToken", "GetSessionToken",
];

#[rustfmt::skip]
const IAM: &[&str] = &[
    "AddRoleToInstanceProfile", "AddUserToGroup", "AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy",
    "CreateAccessKey", "CreateAccountAlias", "CreateGroup", "CreateInstanceProfile", "CreateOpenIDConnectProvider",
    "CreatePolicy", "CreatePolicyVersion", "CreateRole", "CreateServiceLinkedRole", "CreateUser", "DeleteAccessKey",
    "DeleteAccountAlias", "DeleteGroup", "DeleteGroupPolicy", "DeleteInstanceProfile",
    "DeleteOpenIDConnectProvider", "DeletePolicy", "DeletePolicyVersion", "DeleteRole",
    "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DeleteServiceLinkedRole", "DeleteUser",
    "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "DetachGroupPolicy", "DetachRolePolicy",
    "DetachUserPolicy", "GetAccessKeyLastUsed", "GetAccountAuthorizationDetails", "GetAccountSummary",
    "GetContextKeysForCustomPolicy", "GetContextKeysForPrincipalPolicy", "GetGroup", "GetGroupPolicy",
    "GetInstanceProfile", "GetOpenIDConnectProvider", "GetPolicy", "GetPolicyVersion", "GetRole", "GetRolePolicy",
    "GetServiceLinkedRoleDeletionStatus", "GetUser", "GetUserPolicy", "ListAccessKeys", "ListAccountAliases",
    "ListAttachedGroupPolicies", "ListAttachedRolePolicies", "ListAttachedUserPolicies", "ListEntitiesForPolicy",
    "ListGroupPolicies", "ListGroups", "ListGroupsForUser", "ListInstanceProfileTags", "ListInstanceProfiles",
    "ListInstanceProfilesForRole", "ListOpenIDConnectProviders", "ListPolicies", "ListPolicyTags",
    "ListPolicyVersions", "ListRolePolicies", "ListRoleTags", "ListRoles", "ListUserPolicies", "ListUserTags",
    "ListUsers", "PutGroupPolicy", "PutRolePermissionsBoundary", "PutRolePolicy", "PutUserPermissionsBoundary",
    "PutUserPolicy", "RemoveRoleFromInstanceProfile", "RemoveUserFromGroup", "SetDefaultPolicyVersion",
    "SimulateCustomPolicy", "SimulatePrincipalPolicy", "TagInstanceProfile", "TagPolicy", "TagRole", "TagUser",
    "UntagInstanceProfile", "UntagPolicy", "UntagRole", "UntagUser", "UpdateAccessKey", "UpdateAssumeRolePolicy",
    "UpdateGroup", "UpdateRole", "UpdateRoleDescription", "UpdateUser",
];

#[rustfmt::skip]
const KMS: &[&str] = &[
    "CancelKeyDeletion", "CreateAlias", "CreateGrant", "CreateKey", "Decrypt", "DeleteAlias",
    "DeleteImportedKeyMaterial", "DeriveSharedSecret", "DescribeKey", "DisableKey", "DisableKeyRotation",
    "EnableKey", "EnableKeyRotation", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom",
    "GetKeyPolicy", "GetKeyRotationStatus", "GetParametersForImport", "GetPublicKey", "ImportKeyMaterial",
    "ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListKeys", "ListResourceTags",
    "ListRetirableGrants", "PutKeyPolicy", "ReEncrypt", "ReplicateKey", "RetireGrant", "RevokeGrant",
    "RotateKeyOnDemand", "ScheduleKeyDeletion", "Sign", "TagResource", "UntagResource", "UpdateAlias",
    "UpdateKeyDescription", "UpdatePrimaryRegion", "Verify", "VerifyMac",
];

#[rustfmt::skip]
const APIGATEWAY: &[&str] = &[
    "CreateApiKey", "CreateAuthorizer", "CreateBasePathMapping", "CreateDeployment", "CreateDocumentationPart",
    "CreateDocumentationVersion", "CreateDomainName", "CreateModel", "CreateRequestValidator", "CreateResource",
    "CreateRestApi", "CreateStage", "CreateUsagePlan", "CreateUsagePlanKey", "DeleteApiKey", "DeleteAuthorizer",
    "DeleteBasePathMapping", "DeleteDeployment", "DeleteDocumentationPart", "DeleteDocumentationVersion",
    "DeleteDomainName", "DeleteGatewayResponse", "DeleteIntegration", "DeleteIntegrationResponse", "DeleteMethod",
    "DeleteMethodResponse", "DeleteModel", "DeleteRequestValidator", "DeleteResource", "DeleteRestApi",
    "DeleteStage", "DeleteUsagePlan", "DeleteUsagePlanKey", "FlushStageAuthorizersCache", "FlushStageCache",
    "GetAccount", "GetApiKey", "GetApiKeys", "GetAuthorizer", "GetAuthorizers", "GetBasePathMapping",
    "GetBasePathMappings", "GetDeployment", "GetDeployments", "GetDocumentationPart", "GetDocumentationParts",
    "GetDocumentationVersion", "GetDocumentationVersions", "GetDomainName", "GetDomainNames", "GetExport",
    "GetGatewayResponse", "GetGatewayResponses", "GetIntegration", "GetIntegrationResponse", "GetMethod",
    "GetMethodResponse", "GetModel", "GetModelTemplate", "GetModels", "GetRequestValidator", "GetRequestValidators",
    "GetResource", "GetResources", "GetRestApi", "GetRestApis", "GetStage", "GetStages", "GetTags", "GetUsage",
    "GetUsagePlan", "GetUsagePlanKey", "GetUsagePlanKeys", "GetUsagePlans", "ImportApiKeys", "ImportRestApi",
    "PutGatewayResponse", "PutIntegration", "PutIntegrationResponse", "PutMethod", "PutMethodResponse",
    "PutRestApi", "TagResource", "TestInvokeAuthorizer", "TestInvokeMethod", "UntagResource", "UpdateAccount",
    "UpdateApiKey", "UpdateAuthorizer", "UpdateBasePathMapping", "UpdateDeployment", "UpdateDocumentationPart",
    "UpdateDocumentationVersion", "UpdateDomainName", "UpdateGatewayResponse", "UpdateIntegration",
    "UpdateIntegrationResponse", "UpdateMethod", "UpdateMethodResponse", "UpdateModel", "UpdateRequestValidator",
    "UpdateResource", "UpdateRestApi", "UpdateStage", "UpdateUsage", "UpdateUsagePlan",
];

#[rustfmt::skip]
const CLOUDFORMATION: &[&str] = &[
    "CancelUpdateStack", "ContinueUpdateRollback", "CreateChangeSet", "CreateStack", "DeleteChangeSet",
    "DeleteStack", "DescribeAccountLimits", "DescribeChangeSet", "DescribeStackEvents", "DescribeStackResource",
    "DescribeStackResources", "DescribeStacks", "DescribeType", "EstimateTemplateCost", "ExecuteChangeSet",
    "GetStackPolicy", "GetTemplate", "GetTemplateSummary", "ListChangeSets", "ListExports", "ListImports",
    "ListStackResources", "ListStacks", "ListTypes", "RollbackStack", "SetStackPolicy", "SignalResource",
    "UpdateStack", "UpdateTerminationProtection", "ValidateTemplate",
];

#[rustfmt::skip]
const EVENTS: &[&str] = &[
    "CancelReplay", "CreateArchive", "CreateEventBus", "DeleteArchive", "DeleteEventBus", "DeleteRule",
    "DescribeArchive", "DescribeEventBus", "DescribeReplay", "DescribeRule", "DisableRule", "EnableRule",
    "ListArchives", "ListEventBuses", "ListReplays", "ListRuleNamesByTarget", "ListRules", "ListTagsForResource",
    "ListTargetsByRule", "PutEvents", "PutPermission", "PutRule", "PutTargets", "RemovePermission", "RemoveTargets",
    "StartReplay", "TagResource", "TestEventPattern", "UntagResource", "UpdateArchive", "UpdateEventBus",
];

#[rustfmt::skip]
const SCHEDULER: &[&str] = &[
    "CreateSchedule", "CreateScheduleGroup", "DeleteSchedule", "DeleteScheduleGroup", "GetSchedule",
    "GetScheduleGroup", "ListScheduleGroups", "ListSchedules", "ListTagsForResource", "TagResource",
    "UntagResource", "UpdateSchedule",
];

#[rustfmt::skip]
const SSM: &[&str] = &[
    "AddTagsToResource", "DeleteParameter", "DeleteParameters", "DescribeParameters", "GetParameter",
    "GetParameterHistory", "GetParameters", "GetParametersByPath", "LabelParameterVersion", "ListTagsForResource",
    "PutParameter", "RemoveTagsFromResource", "UnlabelParameterVersion",
];

#[rustfmt::skip]
const SNS: &[&str] = &[
    "AddPermission", "ConfirmSubscription", "CreateTopic", "DeleteTopic", "GetSubscriptionAttributes",
    "GetTopicAttributes", "ListSubscriptions", "ListSubscriptionsByTopic", "ListTagsForResource", "ListTopics",
    "Publish", "PublishBatch", "RemovePermission", "SetSubscriptionAttributes", "SetTopicAttributes", "Subscribe",
    "TagResource", "Unsubscribe", "UntagResource",
];

#[rustfmt::skip]
const SQS: &[&str] = &[
    "AddPermission", "CancelMessageMoveTask", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "CreateQueue",
    "DeleteMessage", "DeleteMessageBatch", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl",
    "ListDeadLetterSourceQueues", "ListMessageMoveTasks", "ListQueueTags", "ListQueues", "PurgeQueue", "ReceiveMessage",
    "RemovePermission", "SendMessage", "SendMessageBatch", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue",
    "UntagQueue",
];

#[rustfmt::skip]
const CLOUDWATCH: &[&str] = &[
    "DeleteAlarms", "DescribeAlarmHistory", "DescribeAlarms", "DescribeAlarmsForMetric", "DisableAlarmActions",
    "EnableAlarmActions", "GetMetricData", "GetMetricStatistics", "ListMetrics", "ListTagsForResource",
    "PutMetricAlarm", "PutMetricData", "SetAlarmState", "TagResource", "UntagResource",
];
