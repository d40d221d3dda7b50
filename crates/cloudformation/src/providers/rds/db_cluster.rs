use super::{available, check_known, gone, identifier, last_snapshot, remove, retag};
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::records::Policy;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::RDS::DBCluster
pub(super) struct DbCluster;

const NAME: &str = "DBClusterIdentifier";
/// What a new cluster and one from a snapshot are told.
const BOTH: [&str; 14] = [
    "AvailabilityZones",
    "CopyTagsToSnapshot",
    "DBClusterParameterGroupName",
    "DBSubnetGroupName",
    "DatabaseName",
    "DeletionProtection",
    "EnableIAMDatabaseAuthentication",
    "Engine",
    "EngineMode",
    "EngineVersion",
    "KmsKeyId",
    "Port",
    "ServerlessV2ScalingConfiguration",
    "VpcSecurityGroupIds",
];
/// What a new one alone is told.
const NEW: [&str; 8] = [
    "BackupRetentionPeriod",
    "EnableHttpEndpoint",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUsername",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "StorageEncrypted",
];
const OTHERS: [&str; 4] = [NAME, "Tags", "SnapshotIdentifier", "DeleteAutomatedBackups"];
const CHANGES: [&str; 11] = [
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBClusterParameterGroupName",
    "DeletionProtection",
    "EnableHttpEndpoint",
    "EngineVersion",
    "MasterUserPassword",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "ServerlessV2ScalingConfiguration",
    "VpcSecurityGroupIds",
];

async fn made(work: &Work<'_>, id: &str) -> Outcome<(Made, String)> {
    let input = json!({ NAME: id });
    let found = available(work, "DescribeDBClusters", input, "DBClusters", "Status").await?;
    let arn = output_text(&found, "/DBClusterArn")?;
    let member = |pointer: &str| output_text(&found, pointer).map_or(Value::Null, Value::String);
    let made = Made::new(id)
        .with("DBClusterArn", arn.clone())
        .with("DBClusterResourceId", member("/DbClusterResourceId"))
        .with("Endpoint.Address", member("/Endpoint"))
        .with("Endpoint.Port", member("/Port"))
        .with("ReadEndpoint.Address", member("/ReaderEndpoint"));
    Ok((made, arn))
}

#[async_trait]
impl Provider for DbCluster {
    fn kind(&self) -> &'static str {
        "AWS::RDS::DBCluster"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &[
            "AvailabilityZones",
            NAME,
            "DBSubnetGroupName",
            "DatabaseName",
            "Engine",
            "EngineMode",
            "KmsKeyId",
            "MasterUsername",
            "Port",
            "SnapshotIdentifier",
            "StorageEncrypted",
        ]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some(NAME)
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn takes_snapshots(&self) -> bool {
        true
    }
    fn unsaid_policy(&self, _: &Value) -> Policy {
        Policy::Snapshot
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("rds", "DescribeDBClusters", json!({ NAME: name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        check_known(work, &[&BOTH, &NEW, &OTHERS])?;
        let id = identifier(work, NAME, 63);
        let input = and(work.pick(&BOTH), json!({ NAME: id, "Tags": work.tag_list() }));
        match work.text("SnapshotIdentifier").filter(|snapshot| !snapshot.is_empty()) {
            Some(snapshot) => {
                let input = and(input, json!({ "SnapshotIdentifier": snapshot }));
                work.make("rds", "RestoreDBClusterFromSnapshot", input).await?;
            }
            None => {
                work.make("rds", "CreateDBCluster", and(input, work.pick(&NEW))).await?;
            }
        }
        let (made, _) = made(work, &id).await.map_err(|failure| failure.after(&id))?;
        Ok(made)
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        check_known(work, &[&BOTH, &NEW, &OTHERS])?;
        let changed: Vec<&str> = CHANGES.into_iter().filter(|name| work.changes(name)).collect();
        if !changed.is_empty() {
            let input = and(work.pick(&changed), json!({ NAME: id, "ApplyImmediately": true }));
            work.call("rds", "ModifyDBCluster", input).await?;
        }
        let (made, arn) = made(work, id).await?;
        retag(work, &arn).await?;
        Ok(made)
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let mut input = json!({ NAME: id, "SkipFinalSnapshot": !work.snapshot });
        if work.snapshot {
            input["FinalDBSnapshotIdentifier"] = json!(last_snapshot(work));
        }
        let kept = json!({ "DeleteAutomatedBackups": work.get("DeleteAutomatedBackups") });
        remove(work, "DeleteDBCluster", and(input, kept)).await?;
        gone(work, "DescribeDBClusters", json!({ NAME: id })).await
    }
}
