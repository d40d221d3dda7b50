use super::{available, check_known, gone, identifier, last_snapshot, remove, retag};
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::records::Policy;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::RDS::DBInstance
pub(super) struct DbInstance;

const NAME: &str = "DBInstanceIdentifier";
/// What a new instance and one from a snapshot are told.
const BOTH: [&str; 14] = [
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBName",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "DeletionProtection",
    "Engine",
    "Iops",
    "LicenseModel",
    "MultiAZ",
    "Port",
    "PubliclyAccessible",
];
/// What a new one alone is told.
const NEW: [&str; 15] = [
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "CharacterSetName",
    "DBClusterIdentifier",
    "EnableIAMDatabaseAuthentication",
    "EngineVersion",
    "KmsKeyId",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUsername",
    "MaxAllocatedStorage",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "StorageEncrypted",
    "StorageType",
];
/// What is told in other words, or tells the engine alone.
const OTHERS: [&str; 6] = [
    NAME,
    "Tags",
    "VPCSecurityGroups",
    "DBSnapshotIdentifier",
    "DeleteAutomatedBackups",
    "AllowMajorVersionUpgrade",
];
const CHANGES: [&str; 15] = [
    "AllocatedStorage",
    "AllowMajorVersionUpgrade",
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBParameterGroupName",
    "DeletionProtection",
    "EngineVersion",
    "MasterUserPassword",
    "MultiAZ",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageType",
];

fn groups(work: &Work<'_>) -> Value {
    json!({ "VpcSecurityGroupIds": work.get("VPCSecurityGroups") })
}

async fn made(work: &Work<'_>, id: &str) -> Outcome<(Made, String)> {
    let found = available(
        work,
        "DescribeDBInstances",
        json!({ NAME: id }),
        "DBInstances",
        "DBInstanceStatus",
    )
    .await?;
    let arn = output_text(&found, "/DBInstanceArn")?;
    let member = |pointer: &str| output_text(&found, pointer).map_or(Value::Null, Value::String);
    let made = Made::new(id)
        .with("DBInstanceArn", arn.clone())
        .with("DbiResourceId", member("/DbiResourceId"))
        .with("Endpoint.Address", member("/Endpoint/Address"))
        .with("Endpoint.Port", member("/Endpoint/Port"))
        .with("Endpoint.HostedZoneId", member("/Endpoint/HostedZoneId"));
    Ok((made, arn))
}

#[async_trait]
impl Provider for DbInstance {
    fn kind(&self) -> &'static str {
        "AWS::RDS::DBInstance"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &[
            "AvailabilityZone",
            "CharacterSetName",
            "DBClusterIdentifier",
            NAME,
            "DBName",
            "DBSnapshotIdentifier",
            "DBSubnetGroupName",
            "Engine",
            "KmsKeyId",
            "MasterUsername",
            "Port",
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
    fn unsaid_policy(&self, properties: &Value) -> Policy {
        // A member of a cluster has nothing of its own to keep.
        match properties.get("DBClusterIdentifier") {
            None => Policy::Snapshot,
            Some(_) => Policy::Delete,
        }
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("rds", "DescribeDBInstances", json!({ NAME: name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        check_known(work, &[&BOTH, &NEW, &OTHERS])?;
        let id = identifier(work, NAME, 63);
        let input = and(
            work.pick(&BOTH),
            and(json!({ NAME: id, "Tags": work.tag_list() }), groups(work)),
        );
        match work
            .text("DBSnapshotIdentifier")
            .filter(|snapshot| !snapshot.is_empty())
        {
            Some(snapshot) => {
                let input = and(input, json!({ "DBSnapshotIdentifier": snapshot }));
                work.make("rds", "RestoreDBInstanceFromDBSnapshot", input).await?;
            }
            None => {
                work.make("rds", "CreateDBInstance", and(input, work.pick(&NEW)))
                    .await?;
            }
        }
        let (made, _) = made(work, &id).await.map_err(|failure| failure.after(&id))?;
        Ok(made)
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        check_known(work, &[&BOTH, &NEW, &OTHERS])?;
        let changed: Vec<&str> = CHANGES.into_iter().filter(|name| work.changes(name)).collect();
        let has_groups = work.changes("VPCSecurityGroups");
        if !changed.is_empty() || has_groups {
            let mut input = and(work.pick(&changed), json!({ NAME: id, "ApplyImmediately": true }));
            if has_groups {
                input = and(input, groups(work));
            }
            work.call("rds", "ModifyDBInstance", input).await?;
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
        remove(work, "DeleteDBInstance", and(input, kept)).await?;
        gone(work, "DescribeDBInstances", json!({ NAME: id })).await
    }
}
