//! Keys that AWS would manage: one for each service that encrypts, made when it is first needed, under the alias
//! `alias/aws/SERVICE`. Their policy lets everybody in the account use them through that service, and nobody otherwise.

use crate::catalog;
use crate::error::{Error, Result};
use crate::names::{self, MANAGED};
use crate::operations::create::{NewKey, fresh_material};
use crate::record::{Alias, Key, Rotation, View, encode};
use crate::spec::{KeySpec, KeyUsage};
use crate::{Kms, keys};
use danbi_core::Scope;

/// The services that AWS manages keys for, as far as the platform has or may have them.
const SERVICES: [&str; 14] = [
    "backup",
    "dynamodb",
    "ebs",
    "elasticfilesystem",
    "es",
    "kinesis",
    "lambda",
    "logs",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];
/// Days between two rotations of a managed key.
const ROTATION_DAYS: i32 = 365;

/// The service of a managed alias, without `alias/`, if AWS manages a key of this name.
pub(crate) fn service_of(alias: &str) -> Option<&'static str> {
    let service = alias.strip_prefix(MANAGED)?;
    SERVICES.into_iter().find(|known| *known == service)
}

impl Kms {
    /// The managed key of a service, made if there was none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn managed(&self, scope: &Scope, service: &'static str) -> Result<Key> {
        let alias = format!("{MANAGED}{service}");
        let view = self.snapshot().await?;
        let there: Option<Alias> = view.record(&keys::alias(scope, &alias)).await?;
        if let Some(there) = there {
            return catalog::by_id(&view, scope, &there.target).await;
        }
        let now = self.now();
        let mut key = NewKey {
            id: names::new_key_id(false),
            spec: KeySpec::Symmetric,
            usage: KeyUsage::Encrypt,
            policy: policy(scope, service),
        }
        .record(now);
        key.description = format!("Default key that protects my {service} data when no other key is defined");
        key.managed_for = Some(service.to_owned());
        key.rotation = Some(Rotation {
            period_days: ROTATION_DAYS,
            next: self.days_after(now, ROTATION_DAYS),
        });
        let material = fresh_material(self, scope, &key)?;
        key.materials.push(material);
        self.store
            .transact(async |tx| {
                // Another request may have been first.
                let there: Option<Alias> = tx.record(&keys::alias(scope, &alias)).await?;
                if let Some(there) = there {
                    return catalog::by_id(&tx, scope, &there.target).await;
                }
                let mut key = key.clone();
                catalog::save(&tx, scope, &mut key)?;
                let record = Alias {
                    target: key.id.clone(),
                    created: now,
                    updated: now,
                };
                tx.put(&keys::alias(scope, &alias), encode(&record)?)?;
                tx.put(&keys::alias_of(scope, &key.id, &alias), Vec::new())?;
                Ok::<_, Error>(key)
            })
            .await
    }
}

/// The policy of a managed key: AWS's own for S3, with the service's name.
fn policy(scope: &Scope, service: &str) -> String {
    let Scope { account, region } = scope;
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "auto-{service}-2",
  "Statement" : [ {{
    "Sid" : "Allow access through {service} for all principals in the account that are authorized to use {service}",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "*"
    }},
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {{
      "StringEquals" : {{
        "kms:CallerAccount" : "{account}",
        "kms:ViaService" : "{service}.{region}.amazonaws.com"
      }}
    }}
  }}, {{
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  }} ]
}}"#
    )
}
