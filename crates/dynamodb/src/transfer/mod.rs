//! Tables to and from S3: `ExportTableToPointInTime` and `ImportTable`, and what is known of both.
//!
//! Both are jobs ([`crate::jobs`]): each step is done again when the platform dies before its transaction, and writes
//! what it wrote before. An export reads the table as it was at one moment, whatever is written meanwhile
//! ([`crate::history`]), a data file a step, under a name that the step's number gives. An import reads objects piece
//! by piece and puts some items a step, with how far it has read in the same transaction.
//!
//! S3 is asked through [`danbi_core::Api`] as whoever asked for the transfer, so its rights decide.

mod bucket;
mod csv;
pub(crate) mod export;
mod export_job;
pub(crate) mod import;
mod import_job;
mod manifest;
mod records;

#[cfg(test)]
mod tests;

use crate::{DynamoDb, Error};
use danbi_core::{Api, Arn, Principal, RequestContext, Scope, Session};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) use export_job::Export;
pub(crate) use import_job::Import;

/// How long a client token stands for the transfer that it first asked for.
const TOKEN_MS: i64 = 8 * 60 * 60 * 1000;
/// How long a transfer that has ended is known.
const KNOWN_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// Whose rights a transfer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caller {
    account: String,
    region: String,
    /// ARN, id and session of a user or a role; none for the account's root.
    identity: Option<(String, String, Option<Session>)>,
}

impl Caller {
    fn of(context: &RequestContext) -> Result<Self, Error> {
        let identity = match &context.principal {
            Principal::Root(_) => None,
            Principal::Identity { arn, id, session } => {
                Some((arn.to_string(), id.clone(), session.as_deref().cloned()))
            }
            // A resource policy may let strangers in, but nobody could be asked about their rights to S3 later.
            Principal::Service(_) | Principal::Anonymous => {
                return Err(Error::validation(
                    "Only users, roles and the account itself can move tables to and from S3",
                ));
            }
        };
        Ok(Self {
            account: context.scope.account.to_string(),
            region: context.scope.region.to_string(),
            identity,
        })
    }

    fn context(&self) -> Result<RequestContext, Error> {
        let scope = scope(&self.account, &self.region)?;
        let principal = match &self.identity {
            None => Principal::Root(scope.account.clone()),
            Some((arn, id, session)) => Principal::Identity {
                arn: arn.parse::<Arn>().map_err(Error::internal)?,
                id: id.clone(),
                session: session.clone().map(Arc::new),
            },
        };
        Ok(RequestContext::inside(scope, principal, None))
    }
}

fn scope(account: &str, region: &str) -> Result<Scope, Error> {
    Ok(Scope {
        account: account.parse().map_err(Error::internal)?,
        region: region.parse().map_err(Error::internal)?,
    })
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// It is being worked on.
    InProgress,
    /// It is done.
    Completed,
    /// It ended with a failure, which is told.
    Failed,
    /// Its table was deleted meanwhile.
    Cancelled,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Such as `S3NoSuchBucket`.
    pub code: String,
    /// In S3's words, as far as it is S3's.
    pub message: String,
}

/// A transfer of a table, as its ARN names it; it need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransferRef {
    account: String,
    region: String,
    table: String,
    id: String,
}

impl TransferRef {
    fn new(scope: &Scope, table: &str, now: i64, random: u32) -> Self {
        Self {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            table: table.to_owned(),
            id: format!("{now:014}-{random:08x}"),
        }
    }

    /// Reads `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/KIND/ID`.
    fn parse(given: &str, kind: &str) -> Option<Self> {
        let arn: Arn = given.parse().ok()?;
        let scope = arn.scope().filter(|_| arn.service == "dynamodb")?;
        let (table, rest) = arn.resource.strip_prefix("table/")?.split_once('/')?;
        let id = rest.strip_prefix(kind)?.strip_prefix('/')?;
        let fits = (3..=255).contains(&table.len()) && (1..=64).contains(&id.len()) && !id.contains('/');
        fits.then(|| Self {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            table: table.to_owned(),
            id: id.to_owned(),
        })
    }

    fn scope(&self) -> Result<Scope, Error> {
        scope(&self.account, &self.region)
    }

    fn table_arn(&self) -> Result<String, Error> {
        Ok(Arn::new("dynamodb", &self.scope()?, format!("table/{}", self.table)).to_string())
    }

    fn arn(&self, kind: &str) -> Result<String, Error> {
        Ok(format!("{}/{kind}/{}", self.table_arn()?, self.id))
    }
}

/// What a client token stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TokenRecord {
    transfer: TransferRef,
    /// Everything that was asked for.
    asked: serde_json::Value,
    at: i64,
}

impl DynamoDb {
    /// The platform's API, through which S3 is asked.
    fn s3(&self) -> Result<&Arc<dyn Api>, Error> {
        self.api.as_ref().ok_or_else(|| {
            Error::Unsupported("This platform has no S3, so tables cannot be moved to or from it".into())
        })
    }
}

/// The JSON of a record.
fn encode(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(Error::internal)
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(Error::internal)
}
