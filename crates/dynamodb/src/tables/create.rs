//! `CreateTable`.

use super::catalog::{MAX_NAME_BYTES, is_name_byte};
use super::definition::{self, GlobalIndex, Place, invalid};
use super::describe::described;
use super::record::{BillingMode, IndexState, Provisioned, StreamSettings, TableRecord, TableState};
use super::usage::Counts;
use super::{policy, tags};
use crate::{DynamoDb, Error, keys, shapes, streams};
use danbi_core::{RequestContext, Scope, ServiceError, Timestamp};
use danbi_store::Transaction;
use danbi_wire::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Shards of a provisioned table's stream, and of an on-demand table's: as many as AWS begins with.
const PROVISIONED_SHARDS: u32 = 1;
const ON_DEMAND_SHARDS: u32 = 4;

/// `CreateTable`.
pub(crate) async fn create(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::CreateTableInput,
) -> Result<shapes::CreateTableOutput, ServiceError> {
    let now = dynamodb.clock.now();
    let record = new_record(&context, &input, now)?;
    let tags = tags::of_new(input.tags.as_deref().unwrap_or_default())?;
    let policy = match input.resource_policy.as_deref() {
        Some(text) => Some(policy::Policy::new(&dynamodb, text)?),
        None => None,
    };
    let created = dynamodb
        .store
        .transact(async |tx| {
            let created = dynamodb.create_record(&tx, record.clone()).await?;
            if !tags.is_empty() {
                tags::put(&tx, created.id, &tags)?;
            }
            if let Some(policy) = &policy {
                policy.put(&tx, created.id)?;
            }
            Ok::<_, Error>(created)
        })
        .await?;
    policy::changed();
    let mut description = described(&created, &Counts::default());
    // It can be used from this answer on; AWS's own answer is the first of its states.
    description.table_status = Some("CREATING".into());
    for index in description.global_secondary_indexes.iter_mut().flatten() {
        index.index_status = Some("CREATING".into());
        if input.warm_throughput.is_none() {
            index.warm_throughput = None;
        }
    }
    if let Some(warm) = &mut description.warm_throughput {
        warm.status = Some("UPDATING".into());
    }
    if input.warm_throughput.is_none() {
        description.warm_throughput = None;
    }
    if let Some(billing) = &mut description.billing_mode_summary {
        billing.last_update_to_pay_per_request_date_time = None;
    }
    Ok(shapes::CreateTableOutput {
        table_description: Some(description),
    })
}

impl DynamoDb {
    /// Puts the record of a table that must not exist yet, and begins its stream.
    pub(crate) async fn create_record(&self, tx: &Transaction, record: TableRecord) -> Result<TableRecord, Error> {
        if tx.get(&keys::table(&record.scope, &record.name)).await?.is_some() {
            return Err(Error::ResourceInUse(format!("Table already exists: {}", record.name)));
        }
        if let Some(stream) = &record.stream {
            streams::begin(tx, &record, stream, self.clock.now())?;
        }
        self.catalog.put(tx, record)
    }
}

/// How many shards the stream of a table that is paid for in this way has.
pub(crate) fn shards(billing: BillingMode) -> u32 {
    match billing {
        BillingMode::Provisioned => PROVISIONED_SHARDS,
        BillingMode::OnDemand => ON_DEMAND_SHARDS,
    }
}

/// The key under which DynamoDB's own KMS key is known in an account, which no call names.
pub(super) fn managed_key(scope: &Scope) -> String {
    let seed = format!("dynamodb/{}/{}", scope.account, scope.region);
    let id = Uuid::from_u64_pair(fnv(seed.as_bytes(), 1), fnv(seed.as_bytes(), 2));
    format!("arn:aws:kms:{}:{}:key/{id}", scope.region, scope.account)
}

fn fnv(bytes: &[u8], seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    bytes.iter().fold(start, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What `SSESpecification` asks for.
pub(crate) fn kms_key(given: Option<&shapes::SSESpecification>, scope: &Scope) -> Result<Option<String>, Error> {
    let Some(given) = given else { return Ok(None) };
    if given.sse_type.as_deref() == Some("AES256") {
        return Err(invalid("SSEType AES256 is not supported"));
    }
    if !given.enabled.unwrap_or(false) {
        return match (&given.kms_master_key_id, &given.sse_type) {
            (None, None) => Ok(None),
            _ => Err(Error::validation(
                "One or more parameter values were invalid: KMSMasterKeyId and SSEType can only be given when SSE is \
                 enabled",
            )),
        };
    }
    Ok(Some(match given.kms_master_key_id.as_deref() {
        None => managed_key(scope),
        Some(arn) if arn.starts_with("arn:") => arn.into(),
        Some(id) => format!("arn:aws:kms:{}:{}:key/{id}", scope.region, scope.account),
    }))
}

/// What is said of CreateTable's name comes before, and instead of, what is wrong with the rest.
pub(crate) fn refused_first(operation: &str, input: &Value) -> Option<ServiceError> {
    if operation != "CreateTable" {
        return None;
    }
    let refused = match input.get("TableName") {
        Some(Value::String(name)) => new_name(name),
        Some(Value::Null) | None => Err(Error::validation(
            "The parameter 'TableName' is required but was not present in the request",
        )),
        // Of another type: the decoder's to refuse.
        Some(_) => Ok(()),
    };
    refused.err().map(ServiceError::from)
}

/// The name of a table that is to be made.
pub(crate) fn new_name(given: &str) -> Result<(), Error> {
    if given.len() < 3 {
        let constraint = "Member must have length greater than or equal to 3";
        return Err(Error::constraint(given, "tableName", constraint));
    }
    if given.len() > MAX_NAME_BYTES {
        return Err(super::catalog::too_long(given));
    }
    if !given.bytes().all(is_name_byte) {
        return Err(Error::constraint(
            given,
            "tableName",
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ));
    }
    Ok(())
}

/// The record of the table that is asked for.
pub(crate) fn new_record(
    context: &RequestContext,
    input: &shapes::CreateTableInput,
    now: Timestamp,
) -> Result<TableRecord, Error> {
    new_name(&input.table_name)?;
    if input.global_table_source_arn.is_some() || input.global_table_settings_replication_mode.is_some() {
        return Err(Error::Unsupported(
            "CreateTable with GlobalTableSourceArn is not built: tables live in one region".into(),
        ));
    }
    if input.vector_indexes.as_ref().is_some_and(|indexes| !indexes.is_empty()) {
        return Err(Error::Unsupported("CreateTable with VectorIndexes is not built".into()));
    }
    let (billing, units) = definition::billing(input.billing_mode.as_deref(), input.provisioned_throughput.as_ref())?;
    let missing = |member| {
        Error::validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    };
    let attributes = definition::attributes(
        input
            .attribute_definitions
            .as_deref()
            .ok_or_else(|| missing("attributeDefinitions"))?,
    )?;
    let schema = input.key_schema.as_deref().ok_or_else(|| missing("keySchema"))?;
    let key = definition::key_schema(schema, &attributes, Place::Table)?;

    let local_indexes = match input.local_secondary_indexes.as_deref() {
        Some(given) => definition::local_indexes(given, &key, &attributes, 1)?,
        None => Vec::new(),
    };
    let next = 1 + local_indexes.len() as u32;
    let mut global_indexes = Vec::new();
    if let Some(given) = input.global_secondary_indexes.as_deref() {
        if given.is_empty() {
            return Err(invalid("List of GlobalSecondaryIndexes is empty"));
        }
        if given.len() > definition::MAX_GLOBAL_INDEXES {
            return Err(invalid(format_args!(
                "GlobalSecondaryIndex count exceeds the per-table limit of {}",
                definition::MAX_GLOBAL_INDEXES
            )));
        }
        for (index, id) in given.iter().zip(next..) {
            let wanted = GlobalIndex {
                name: &index.index_name,
                key: &index.key_schema,
                projection: &index.projection,
                throughput: index.provisioned_throughput.as_ref(),
                on_demand: index.on_demand_throughput.as_ref(),
                warm: index.warm_throughput.as_ref(),
            };
            global_indexes.push(definition::global_index(
                &wanted,
                &attributes,
                billing,
                id,
                IndexState::Active,
            )?);
        }
    }
    let indexes = || local_indexes.iter().chain(&global_indexes);
    definition::check_indexes(indexes())?;
    let keys: Vec<_> = std::iter::once(&key).chain(indexes().map(|index| &index.key)).collect();
    definition::check_all_used(&attributes, keys.into_iter())?;

    let stream: Option<StreamSettings> = match &input.stream_specification {
        Some(given) => definition::stream(given, now, shards(billing))?,
        None => None,
    };
    let next_index = next + global_indexes.len() as u32;
    Ok(TableRecord {
        id: Uuid::new_v4(),
        scope: context.scope.clone(),
        name: input.table_name.clone(),
        version: 0,
        state: TableState::Active,
        created: now,
        key,
        attributes,
        global_indexes,
        local_indexes,
        next_index,
        billing,
        on_demand_since: (billing == BillingMode::OnDemand).then_some(now),
        provisioned: Provisioned {
            units,
            ..Provisioned::default()
        },
        on_demand: input
            .on_demand_throughput
            .as_ref()
            .map(definition::on_demand_limits)
            .transpose()?,
        warm: input.warm_throughput.as_ref().map(definition::warm_units),
        stream,
        time_to_live: None,
        deletion_protection: input.deletion_protection_enabled.unwrap_or(false),
        class: definition::class(input.table_class.as_deref())?,
        class_changed: None,
        kms_key: kms_key(input.sse_specification.as_ref(), &context.scope)?,
        recovery: None,
        copies: 0,
        restored: None,
    })
}
