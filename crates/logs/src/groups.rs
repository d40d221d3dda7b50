use crate::append::{create_group, find_group, usage};
use crate::error::LogsError;
use crate::records::GroupRecord;
use crate::shapes::{
    CreateLogGroupRequest, DeleteLogGroupRequest, DescribeLogGroupsRequest, DescribeLogGroupsResponse,
    ListLogGroupsRequest, ListLogGroupsResponse, LogGroup, LogGroupSummary, TagFilter,
};
use crate::{Logs, keys, names, token};
use bytes::Bytes;
use danbi_core::{RequestContext, Scope};
use danbi_store::{Direction, Snapshot, Transaction};
use danbi_wire::Empty;
use std::sync::Arc;

/// Groups that one listing looks at before it answers with what it has and a token.
const MAX_EXAMINED: usize = 5_000;
/// Groups on a page when the request does not say.
const DEFAULT_LIMIT: i32 = 50;
const CLASSES: [&str; 3] = ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"];

/// `CreateLogGroup`.
pub(crate) async fn create(
    logs: Arc<Logs>,
    context: RequestContext,
    input: CreateLogGroupRequest,
) -> Result<Empty, LogsError> {
    let name = &input.log_group_name;
    if name.to_ascii_lowercase().starts_with("aws/") {
        return Err(LogsError::invalid(
            "Log groups starting with AWS/ are reserved for AWS.",
        ));
    }
    // Taking either and not acting on it would be a promise that is not kept.
    if input.kms_key_id.is_some() {
        return Err(LogsError::invalid(
            "The specified KMS key does not exist or is not allowed to be used: log groups are not encrypted with KMS keys yet.",
        ));
    }
    if input.deletion_protection_enabled == Some(true) {
        return Err(LogsError::invalid(
            "Deletion protection of log groups is not built yet.",
        ));
    }
    let class = input.log_group_class.as_deref().unwrap_or("STANDARD");
    if !CLASSES.contains(&class) {
        return Err(LogsError::invalid(format!("Invalid log group class {class}")));
    }
    let tags = input.tags.clone().unwrap_or_default();
    let created = logs.now();
    let (scope, tags) = (&context.scope, &tags);
    logs.store
        .transact(async |tx| {
            if find_group(&tx, scope, name).await?.is_some() {
                return Err(LogsError::GroupExists);
            }
            let make = |id| GroupRecord {
                id,
                created,
                class: class.to_owned(),
                retention_days: None,
                tags: tags.clone(),
            };
            create_group(&tx, scope, name, make).await?;
            Ok(Empty {})
        })
        .await
}

/// `DeleteLogGroup`: the group is gone at once, its data is removed behind it.
pub(crate) async fn delete(
    logs: Arc<Logs>,
    context: RequestContext,
    input: DeleteLogGroupRequest,
) -> Result<Empty, LogsError> {
    let (scope, name) = (&context.scope, &input.log_group_name);
    logs.store
        .transact(async |tx| {
            let group = find_group(&tx, scope, name).await?.ok_or(LogsError::NoGroup)?;
            tx.delete(&keys::group(scope, name))?;
            tx.put(&keys::trash(group.id, None), Bytes::new())?;
            Ok::<_, LogsError>(())
        })
        .await?;
    logs.wake_sweeper();
    Ok(Empty {})
}

/// `DescribeLogGroups`.
pub(crate) async fn describe(
    logs: Arc<Logs>,
    context: RequestContext,
    input: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, LogsError> {
    let pattern = input.log_group_name_pattern.as_deref();
    if pattern.is_some() && input.log_group_name_prefix.is_some() {
        return Err(LogsError::invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let snapshot = logs.store.snapshot().await?;
    if let Some(identifiers) = &input.log_group_identifiers {
        return by_identifiers(&snapshot, &context.scope, identifiers).await;
    }
    let class = input.log_group_class.as_deref();
    let listing = Listing {
        scope: &context.scope,
        prefix: input.log_group_name_prefix.as_deref().unwrap_or_default(),
        limit: limit(input.limit),
        token: input.next_token.as_deref(),
    };
    let wanted = |name: &str, group: &GroupRecord| {
        pattern.is_none_or(|pattern| name.contains(pattern)) && class.is_none_or(|class| group.class == class)
    };
    let (found, next_token) = listing.run(&snapshot, wanted).await?;
    let mut groups = Vec::with_capacity(found.len());
    for (name, group) in found {
        // A search by pattern tells less, as with AWS.
        let stored = if pattern.is_some() {
            None
        } else {
            Some(stored_bytes(&snapshot, group.id).await?)
        };
        groups.push(shape(&context.scope, name, group, stored));
    }
    Ok(DescribeLogGroupsResponse {
        log_groups: Some(groups),
        next_token,
    })
}

/// `ListLogGroups`.
pub(crate) async fn list(
    logs: Arc<Logs>,
    context: RequestContext,
    input: ListLogGroupsRequest,
) -> Result<ListLogGroupsResponse, LogsError> {
    if input.data_sources.is_some() || input.field_index_names.is_some() {
        // No group has data sources or field indexes, so none has those asked for.
        return Ok(ListLogGroupsResponse {
            log_groups: Some(vec![]),
            next_token: None,
        });
    }
    let snapshot = logs.store.snapshot().await?;
    let pattern = input.log_group_name_pattern.as_deref();
    let class = input.log_group_class.as_deref();
    let tags = input.log_group_tags.as_deref().unwrap_or_default();
    let listing = Listing {
        scope: &context.scope,
        prefix: "",
        limit: limit(input.limit),
        token: input.next_token.as_deref(),
    };
    let wanted = |name: &str, group: &GroupRecord| {
        pattern.is_none_or(|pattern| {
            pattern.split('|').any(|part| match part.strip_prefix('^') {
                Some(prefix) => name.starts_with(prefix),
                None => name.contains(part),
            })
        }) && class.is_none_or(|class| group.class == class)
            && tags.iter().all(|filter| has_tag(group, filter))
    };
    let (found, next_token) = listing.run(&snapshot, wanted).await?;
    let summary = |(name, group): (String, GroupRecord)| LogGroupSummary {
        log_group_arn: Some(names::group_arn(&context.scope, &name)),
        log_group_class: Some(group.class),
        log_group_name: Some(name),
    };
    Ok(ListLogGroupsResponse {
        log_groups: Some(found.into_iter().map(summary).collect()),
        next_token,
    })
}

/// A filter's values are alternatives; `!` negates one, `*` opens its start or end.
fn has_tag(group: &GroupRecord, filter: &TagFilter) -> bool {
    let Some(value) = group.tags.get(&filter.key) else {
        return false;
    };
    let matches = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => value.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (None, None) => value == pattern,
    };
    let values = filter.values.as_deref().unwrap_or_default();
    values.is_empty()
        || values.iter().any(|pattern| {
            pattern
                .strip_prefix('!')
                .map_or_else(|| matches(pattern), |not| !matches(not))
        })
}

fn limit(asked: Option<i32>) -> usize {
    usize::try_from(asked.unwrap_or(DEFAULT_LIMIT)).unwrap_or(1).max(1)
}

/// A page of the groups of a scope, in the order of their names.
struct Listing<'a> {
    scope: &'a Scope,
    prefix: &'a str,
    limit: usize,
    token: Option<&'a str>,
}

impl Listing<'_> {
    async fn run(
        &self,
        snapshot: &Snapshot,
        wanted: impl Fn(&str, &GroupRecord) -> bool,
    ) -> Result<(Vec<(String, GroupRecord)>, Option<String>), LogsError> {
        let mut rest = keys::groups(self.scope, self.prefix);
        if let Some(token) = self.token {
            rest = rest.after(&keys::group(self.scope, &token::decode("g", token)?));
        }
        let mut found = Vec::new();
        let mut examined = 0;
        loop {
            let page = snapshot.scan(rest.clone(), Direction::Forward, self.limit + 1).await?;
            let count = page.entries.len();
            for (at, (key, value)) in page.entries.iter().enumerate() {
                let name = keys::group_name(key)?;
                let group: GroupRecord = serde_json::from_slice(value)?;
                examined += 1;
                let is_wanted = wanted(&name, &group);
                let more = page.more || at + 1 < count;
                let token = || more.then(|| token::encode("g", &name));
                let next = if found.len() + usize::from(is_wanted) >= self.limit || examined >= MAX_EXAMINED {
                    Some(token())
                } else {
                    None
                };
                if is_wanted {
                    found.push((name, group));
                }
                if let Some(token) = next {
                    return Ok((found, token));
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => rest = rest.after(last),
                _ => return Ok((found, None)),
            }
        }
    }
}

async fn by_identifiers(
    snapshot: &Snapshot,
    scope: &Scope,
    identifiers: &[String],
) -> Result<DescribeLogGroupsResponse, LogsError> {
    let mut groups = Vec::with_capacity(identifiers.len());
    for identifier in identifiers {
        let name = names::group_named(scope, identifier)?;
        if let Some(group) = read(snapshot, scope, &name).await? {
            let stored = stored_bytes(snapshot, group.id).await?;
            groups.push(shape(scope, name, group, Some(stored)));
        }
    }
    Ok(DescribeLogGroupsResponse {
        log_groups: Some(groups),
        next_token: None,
    })
}

fn shape(scope: &Scope, name: String, group: GroupRecord, stored_bytes: Option<i64>) -> LogGroup {
    let arn = names::group_arn(scope, &name);
    LogGroup {
        arn: Some(format!("{arn}:*")),
        creation_time: Some(group.created),
        deletion_protection_enabled: stored_bytes.map(|_| false),
        log_group_arn: Some(arn),
        log_group_class: Some(group.class),
        log_group_name: Some(name),
        metric_filter_count: Some(0),
        retention_in_days: group.retention_days,
        stored_bytes,
        ..LogGroup::default()
    }
}

async fn stored_bytes(snapshot: &Snapshot, group: u64) -> Result<i64, LogsError> {
    let bytes = usage(snapshot.get(&keys::usage(group)).await?);
    Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The group's record, if there is such a group.
pub(crate) async fn read(snapshot: &Snapshot, scope: &Scope, name: &str) -> Result<Option<GroupRecord>, LogsError> {
    let record = snapshot.get(&keys::group(scope, name)).await?;
    Ok(record.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

/// Changes the record of a group that exists, and says what `change` said.
pub(crate) async fn change<T: Send>(
    logs: &Logs,
    scope: &Scope,
    name: &str,
    change: impl Fn(&mut GroupRecord) -> Result<T, LogsError> + Sync,
) -> Result<T, LogsError> {
    let change = &change;
    logs.store
        .transact(async |tx: Transaction| {
            let mut group = find_group(&tx, scope, name).await?.ok_or(LogsError::NoGroup)?;
            let result = change(&mut group)?;
            tx.put(&keys::group(scope, name), serde_json::to_vec(&group)?)?;
            Ok(result)
        })
        .await
}
