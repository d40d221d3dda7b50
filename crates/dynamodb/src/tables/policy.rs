//! `PutResourcePolicy`, `GetResourcePolicy`, `DeleteResourcePolicy`, and what the authorizer is told of them.

use super::catalog::{Catalog, TableRef};
use super::record::TableRecord;
use crate::keys::TableId;
use crate::{DynamoDb, Error, layout, shapes};
use async_trait::async_trait;
use danbi_core::{Access, Arn, RequestContext, ResourcePolicySource, ResourceSide, ServiceError};
use danbi_store::{Snapshot, Store, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most bytes of a policy.
const MAX_BYTES: usize = 20 * 1024;
/// Condition keys of AWS that requests of roots, whom a resource policy may bind, do not tell the authorizer here.
const UNTOLD_CONDITION_KEYS: [&str; 2] = ["dynamodb:LeadingKeys", "dynamodb:Attributes"];
/// What `ExpectedRevisionId` says when there must be no policy yet.
const NO_POLICY: &str = "NO_POLICY";

/// A table's, or its stream's, resource policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    text: String,
    revision: String,
}

/// The resource that has the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    table: TableRef,
    /// Of a stream, its label.
    stream: Option<String>,
}

impl Subject {
    /// Reads the ARN of a table or of a stream.
    fn parse(given: &str) -> Result<Self, Error> {
        let refused = || Error::validation(format!("Invalid ResourceArn: {given}"));
        let arn: Arn = given.parse().map_err(|_| refused())?;
        let (table, stream) = match arn.resource.split_once("/stream/") {
            Some((table, label)) => (table, Some(label.to_owned())),
            None => (arn.resource.as_str(), None),
        };
        let table_arn = Arn {
            resource: table.to_owned(),
            ..arn.clone()
        };
        Ok(Self {
            table: TableRef::from_arn(&table_arn.to_string(), "ResourceArn").map_err(|_| refused())?,
            stream,
        })
    }

    fn key(&self, table: TableId) -> Vec<u8> {
        let mut key = layout::policy(table);
        if let Some(label) = &self.stream {
            key.extend_from_slice(label.as_bytes());
        }
        key
    }

    fn belongs_to(&self, table: &TableRecord) -> bool {
        let Some(label) = &self.stream else { return true };
        table.stream.as_ref().is_some_and(|stream| stream.label == *label)
    }

    fn missing(&self) -> Error {
        Error::ResourceNotFound(format!(
            "Requested resource not found: Table: {} not found",
            self.table.name
        ))
    }
}

impl Policy {
    /// A policy that can be decided with, under a new revision.
    pub(super) fn new(dynamodb: &DynamoDb, text: &str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::validation(format!(
                "Resource policy size is larger than the limit of {MAX_BYTES} bytes"
            )));
        }
        // A condition on what a request does not tell would hold of every request in a `ForAllValues`.
        for key in UNTOLD_CONDITION_KEYS {
            if text.to_ascii_lowercase().contains(&key.to_ascii_lowercase()) {
                return Err(Error::Unsupported(format!(
                    "Resource policies with the condition key {key} are not built: it could not be decided"
                )));
            }
        }
        if let Some(language) = &dynamodb.policies {
            language
                .check_resource_policy(text)
                .map_err(|reason| Error::validation(format!("Invalid policy document: {reason}")))?;
        }
        // AWS's are numbers of milliseconds; what counts is that no two are the same.
        let revision = format!("{}", dynamodb.stamps.next());
        Ok(Self {
            text: text.to_owned(),
            revision,
        })
    }

    /// Puts the policy of a table that is being made.
    pub(super) fn put(&self, tx: &Transaction, table: TableId) -> Result<(), Error> {
        self.put_at(tx, &layout::policy(table))
    }

    fn put_at(&self, tx: &Transaction, key: &[u8]) -> Result<(), Error> {
        tx.put(key, serde_json::to_vec(self).map_err(Error::internal)?)?;
        Ok(())
    }
}

fn decode(value: Option<bytes::Bytes>) -> Result<Option<Policy>, Error> {
    value
        .map(|value| serde_json::from_slice(&value).map_err(Error::internal))
        .transpose()
}

fn check_revision(existing: Option<&Policy>, expected: Option<&str>) -> Result<(), Error> {
    let holds = match (expected, existing) {
        (None, _) | (Some(NO_POLICY), None) => true,
        (Some(expected), Some(policy)) => policy.revision == expected,
        (Some(_), None) => false,
    };
    if holds {
        return Ok(());
    }
    Err(Error::PolicyNotFound(format!(
        "Operation failed: the resource-based policy's revision is not the expected one: {}",
        expected.unwrap_or_default()
    )))
}

/// `PutResourcePolicy`.
pub(crate) async fn put(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::PutResourcePolicyInput,
) -> Result<shapes::PutResourcePolicyOutput, ServiceError> {
    let subject = Subject::parse(&input.resource_arn)?;
    let policy = Policy::new(&dynamodb, &input.policy)?;
    let revision = dynamodb
        .store
        .transact(async |tx| {
            let table = dynamodb.catalog.find(&tx, &subject.table).await?;
            let table = table
                .filter(|table| subject.belongs_to(table))
                .ok_or_else(|| subject.missing())?;
            let key = subject.key(table.id);
            let existing = decode(tx.get(&key).await?)?;
            check_revision(existing.as_ref(), input.expected_revision_id.as_deref())?;
            match existing {
                // The same policy again is the same revision.
                Some(existing) if existing.text == policy.text => Ok(existing.revision),
                _ => {
                    policy.put_at(&tx, &key)?;
                    Ok::<_, Error>(policy.revision.clone())
                }
            }
        })
        .await?;
    changed();
    Ok(shapes::PutResourcePolicyOutput {
        revision_id: Some(revision),
    })
}

/// `GetResourcePolicy`.
pub(crate) async fn get(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::GetResourcePolicyInput,
) -> Result<shapes::GetResourcePolicyOutput, ServiceError> {
    let subject = Subject::parse(&input.resource_arn)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let table = dynamodb.catalog.find_in(&snapshot, &subject.table).await?;
    let table = table
        .filter(|table| subject.belongs_to(table))
        .ok_or_else(|| subject.missing())?;
    let policy = policy_at(&snapshot, &subject.key(table.id)).await?;
    let policy = policy.ok_or_else(|| {
        Error::PolicyNotFound(format!(
            "Resource-based policy not found for the provided ResourceArn: {}",
            input.resource_arn
        ))
    })?;
    Ok(shapes::GetResourcePolicyOutput {
        policy: Some(policy.text),
        revision_id: Some(policy.revision),
    })
}

async fn policy_at(snapshot: &Snapshot, key: &[u8]) -> Result<Option<Policy>, Error> {
    decode(snapshot.get(key).await?)
}

/// `DeleteResourcePolicy`.
pub(crate) async fn delete(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DeleteResourcePolicyInput,
) -> Result<shapes::DeleteResourcePolicyOutput, ServiceError> {
    let subject = Subject::parse(&input.resource_arn)?;
    let revision = dynamodb
        .store
        .transact(async |tx| {
            let table = dynamodb.catalog.find(&tx, &subject.table).await?;
            let table = table
                .filter(|table| subject.belongs_to(table))
                .ok_or_else(|| subject.missing())?;
            let key = subject.key(table.id);
            let existing = decode(tx.get(&key).await?)?;
            check_revision(existing.as_ref(), input.expected_revision_id.as_deref())?;
            tx.delete(&key)?;
            Ok::<_, Error>(existing.map(|policy| policy.revision))
        })
        .await?;
    changed();
    Ok(shapes::DeleteResourcePolicyOutput { revision_id: revision })
}

/// How long what was found is believed: another node may have changed it since.
const BELIEVED: Duration = Duration::from_secs(1);
/// Resources whose policies are remembered, at most.
const MAX_KNOWN: usize = 4096;
/// The longest name of a resource that is remembered; no table's is so long.
const MAX_KNOWN_BYTES: usize = 1024;

/// How often this process has changed a policy, or a table that may have one. What was found before the last change is
/// not believed, so a change counts with the next request.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Takes note of a change of a policy, once it is committed.
pub(super) fn changed() {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// What was found of a resource.
#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    /// [`CHANGES`] before it was looked up.
    changes: u64,
    policy: Option<Arc<str>>,
}

/// Tells the authorizer the resource policies of tables and streams.
///
/// Every request asks, and few tables have a policy, so what was found is remembered for a second, and for no longer than
/// until this process changes a policy.
#[derive(Debug)]
pub struct TablePolicies {
    store: Store,
    catalog: Catalog,
    known: Mutex<HashMap<String, Known>>,
}

impl TablePolicies {
    /// Those in `store`, which a [`DynamoDb`] writes.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            catalog: Catalog::default(),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // A panic elsewhere leaves a map behind that is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy that is remembered, or that there is none.
    fn remembered(&self, resource: &str) -> Option<Option<Arc<str>>> {
        let changes = CHANGES.load(Ordering::Acquire);
        let known = self.known();
        let found = known.get(resource)?;
        let believed = found.changes == changes && found.at.elapsed() < BELIEVED;
        believed.then(|| found.policy.clone())
    }

    fn remember(&self, resource: &str, found: Known) {
        if resource.len() > MAX_KNOWN_BYTES {
            return;
        }
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(resource.to_owned(), found);
    }
}

#[async_trait]
impl ResourcePolicySource for TablePolicies {
    /// The policy of the table, or of the stream. An index has its table's.
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let mut arn = resource.clone();
        if let Some((table, _)) = resource.resource.split_once("/index/") {
            arn.resource = table.to_owned();
        }
        let Ok(subject) = Subject::parse(&arn.to_string()) else {
            return Ok(None);
        };
        let snapshot = self.store.snapshot().await.map_err(Error::from)?;
        let Some(table) = self.catalog.find_in(&snapshot, &subject.table).await? else {
            return Ok(None);
        };
        if !subject.belongs_to(&table) {
            return Ok(None);
        }
        let policy = policy_at(&snapshot, &subject.key(table.id)).await?;
        Ok(policy.map(|policy| policy.text))
    }

    async fn resource_side(&self, _context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let policy = match self.remembered(&access.resource) {
            Some(policy) => policy,
            None => {
                let (at, changes) = (Instant::now(), CHANGES.load(Ordering::Acquire));
                let Ok(arn) = access.resource.parse::<Arn>() else {
                    return Ok(ResourceSide::default());
                };
                let policy: Option<Arc<str>> = self.resource_policy(&arn).await?.map(Into::into);
                let found = Known {
                    at,
                    changes,
                    policy: policy.clone(),
                };
                self.remember(&access.resource, found);
                policy
            }
        };
        Ok(ResourceSide {
            policy,
            ..ResourceSide::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Parts};
    use danbi_core::{Principal, RequestId, Scope, SystemClock};
    use danbi_store::EmbeddedOptions;
    use std::net::{IpAddr, Ipv4Addr};

    #[tokio::test]
    async fn what_is_changed_counts_with_the_next_request() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let parts = Parts {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            policies: None,
            api: None,
            options: Options::default(),
        };
        let dynamodb = DynamoDb::start(parts).await.unwrap();
        let policies = TablePolicies::new(store);
        let context = RequestContext {
            request_id: RequestId::new(),
            scope: Scope::default(),
            principal: Principal::Root(Scope::default().account),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            host: String::new(),
            user_agent: String::new(),
            facts: Default::default(),
        };
        let input = serde_json::json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}]});
        let create = || {
            let input = serde_json::from_value(input.clone()).unwrap();
            super::super::create::create(Arc::clone(&dynamodb), context.clone(), input)
        };
        create().await.unwrap();
        let arn = Arn::new("dynamodb", &Scope::default(), "table/tab").to_string();
        let seen = async |resource: &str| {
            let access = Access::new("dynamodb:GetItem", resource.to_owned());
            let side = policies.resource_side(&context, &access).await.unwrap();
            side.policy.map(|text| text.to_string())
        };
        let index = format!("{arn}/index/by_x");
        assert_eq!((seen(&arn).await, seen(&index).await), (None, None));
        for text in ["{\"a\":1}", "{\"a\":2}"] {
            let input = shapes::PutResourcePolicyInput {
                resource_arn: arn.clone(),
                policy: text.to_owned(),
                ..Default::default()
            };
            put(Arc::clone(&dynamodb), context.clone(), input).await.unwrap();
            assert_eq!(seen(&arn).await.as_deref(), Some(text));
            assert_eq!(seen(&index).await.as_deref(), Some(text));
        }
        let input = shapes::DeleteResourcePolicyInput {
            resource_arn: arn.clone(),
            ..Default::default()
        };
        delete(Arc::clone(&dynamodb), context.clone(), input).await.unwrap();
        assert_eq!((seen(&arn).await, seen(&index).await), (None, None));
    }
}
