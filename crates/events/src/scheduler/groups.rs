//! CreateScheduleGroup, GetScheduleGroup, DeleteScheduleGroup, ListScheduleGroups, and the tags of groups.

use super::records::{Group, Schedule};
use super::{DEFAULT, group_arn};
use crate::records::{Read, decode, put};
use crate::scheduler_shapes::{
    CreateScheduleGroupInput, CreateScheduleGroupOutput, DeleteScheduleGroupInput, DeleteScheduleGroupOutput,
    GetScheduleGroupInput, GetScheduleGroupOutput, ListScheduleGroupsInput, ListScheduleGroupsOutput,
    ListTagsForResourceInput, ListTagsForResourceOutput, ScheduleGroupSummary, Tag, TagResourceInput,
    TagResourceOutput, UntagResourceInput, UntagResourceOutput,
};
use crate::tags::Tags;
use crate::{Error, Events, keys, names};
use danbi_core::{Arn, RequestContext, Scope};
use std::sync::Arc;

/// Groups of an account's region. Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>.
const MOST_GROUPS: usize = 500;
const PAGE: i32 = 100;
/// Schedules deleted with their group in one transaction.
const DELETED_AT_ONCE: usize = 200;

fn missing(name: &str) -> Error {
    Error::NoSchedule(format!("Schedule group {name} does not exist."))
}

/// Makes sure that a group is there.
pub(super) async fn check(view: &impl Read, scope: &Scope, name: &str) -> Result<(), Error> {
    of(view, scope, name).await.map(|_| ())
}

async fn of(view: &impl Read, scope: &Scope, name: &str) -> Result<Group, Error> {
    match view.record(&keys::group(scope, name)).await? {
        Some(group) => Ok(group),
        None if name == DEFAULT => Ok(Group::default()),
        None => Err(missing(name)),
    }
}

/// CreateScheduleGroup.
pub(crate) async fn create(
    events: Arc<Events>,
    context: RequestContext,
    input: CreateScheduleGroupInput,
) -> Result<CreateScheduleGroupOutput, Error> {
    let (scope, name, now) = (&context.scope, input.name.as_str(), events.now());
    let tags = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect();
    crate::tags::check(&tags)?;
    let group = &Group {
        created: now,
        modified: now,
        tags,
    };
    let token = input
        .client_token
        .as_ref()
        .map(|token| keys::token(scope, "CreateScheduleGroup", token));
    let token = token.as_ref();
    events
        .store
        .transact(async |tx| {
            if let Some(token) = token
                && tx.record::<String>(token).await?.as_deref() == Some(name)
            {
                return Ok(());
            }
            let key = keys::group(scope, name);
            if name == DEFAULT || tx.read(&key).await?.is_some() {
                return Err(Error::Conflict(format!("Schedule group {name} already exists.")));
            }
            if tx.page(keys::groups(scope, ""), MOST_GROUPS).await?.entries.len() >= MOST_GROUPS {
                return Err(Error::Limit("The maximum number of schedule groups is reached.".into()));
            }
            if let Some(token) = token {
                put(&tx, token, &name)?;
            }
            put(&tx, &key, group)
        })
        .await?;
    Ok(CreateScheduleGroupOutput {
        schedule_group_arn: group_arn(scope, name),
    })
}

/// GetScheduleGroup.
pub(crate) async fn get(
    events: Arc<Events>,
    context: RequestContext,
    input: GetScheduleGroupInput,
) -> Result<GetScheduleGroupOutput, Error> {
    let group = of(&events.snapshot().await?, &context.scope, &input.name).await?;
    Ok(GetScheduleGroupOutput {
        arn: Some(group_arn(&context.scope, &input.name)),
        name: Some(input.name),
        creation_date: Some(group.created),
        last_modification_date: Some(group.modified),
        state: Some("ACTIVE".into()),
    })
}

/// DeleteScheduleGroup: with its schedules.
pub(crate) async fn delete(
    events: Arc<Events>,
    context: RequestContext,
    input: DeleteScheduleGroupInput,
) -> Result<DeleteScheduleGroupOutput, Error> {
    let (scope, name) = (&context.scope, input.name.as_str());
    if name == DEFAULT {
        return Err(Error::validation("The default schedule group cannot be deleted."));
    }
    let root = &keys::schedule_prefix(scope);
    // The schedules first, piece by piece; a group whose deletion was interrupted is still there to be deleted.
    loop {
        let more = events
            .store
            .transact(async |tx| {
                check(&tx, scope, name).await?;
                let page = tx.page(keys::schedules(scope, name, ""), DELETED_AT_ONCE).await?;
                for (key, value) in &page.entries {
                    let schedule: Schedule = decode(value)?;
                    if let Some(next) = schedule.next {
                        let schedule = keys::last_name(key, root).map_err(Error::internal)?;
                        tx.delete(&keys::schedule_tick(next, scope, name, &schedule))?;
                    }
                    tx.delete(key)?;
                }
                if !page.more {
                    tx.delete(&keys::group(scope, name))?;
                }
                Ok::<_, Error>(page.more)
            })
            .await?;
        if !more {
            return Ok(DeleteScheduleGroupOutput {});
        }
    }
}

/// ListScheduleGroups.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListScheduleGroupsInput,
) -> Result<ListScheduleGroupsOutput, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let show = |name: String, group: Group| ScheduleGroupSummary {
        arn: Some(group_arn(scope, &name)),
        creation_date: Some(group.created),
        last_modification_date: Some(group.modified),
        name: Some(name),
        state: Some("ACTIVE".into()),
    };
    let mut groups = Vec::new();
    let mut range = keys::groups(scope, prefix);
    match &input.next_token {
        Some(token) => range = range.after(&keys::group(scope, &names::name_of_token(token)?)),
        None if DEFAULT.starts_with(prefix) => groups.push(show(DEFAULT.into(), of(&view, scope, DEFAULT).await?)),
        None => {}
    }
    let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let page = view.page(range, limit).await?;
    let root = keys::group_prefix(scope);
    let mut last = None;
    for (key, value) in &page.entries {
        let name = keys::last_name(key, &root).map_err(Error::internal)?;
        last = Some(names::token_of(&name));
        if name != DEFAULT {
            groups.push(show(name, decode(value)?));
        }
    }
    Ok(ListScheduleGroupsOutput {
        schedule_groups: groups,
        next_token: last.filter(|_| page.more),
    })
}

fn named(scope: &Scope, arn: &str) -> Result<String, Error> {
    let parsed: Option<Arn> = arn.parse().ok().filter(|arn: &Arn| arn.scope().as_ref() == Some(scope));
    let name = parsed.and_then(|arn| arn.resource.strip_prefix("schedule-group/").map(str::to_owned));
    name.ok_or_else(|| {
        Error::Validation(format!(
            "Invalid resource ARN {arn}: only schedule groups can be tagged."
        ))
    })
}

async fn change(events: &Events, scope: &Scope, arn: &str, change: impl Fn(&mut Tags) + Sync) -> Result<(), Error> {
    let (name, change, now) = (&named(scope, arn)?, &change, events.now());
    events
        .store
        .transact(async |tx| {
            let mut group = of(&tx, scope, name).await?;
            change(&mut group.tags);
            crate::tags::check(&group.tags)?;
            group.modified = now;
            put(&tx, &keys::group(scope, name), &group)
        })
        .await
}

/// TagResource.
pub(crate) async fn tag(
    events: Arc<Events>,
    context: RequestContext,
    input: TagResourceInput,
) -> Result<TagResourceOutput, Error> {
    let new: Tags = input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    change(&events, &context.scope, &input.resource_arn, |tags| {
        tags.extend(new.clone())
    })
    .await?;
    Ok(TagResourceOutput {})
}

/// UntagResource.
pub(crate) async fn untag(
    events: Arc<Events>,
    context: RequestContext,
    input: UntagResourceInput,
) -> Result<UntagResourceOutput, Error> {
    change(&events, &context.scope, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key))
    })
    .await?;
    Ok(UntagResourceOutput {})
}

/// ListTagsForResource.
pub(crate) async fn tags(
    events: Arc<Events>,
    context: RequestContext,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Error> {
    let name = named(&context.scope, &input.resource_arn)?;
    let group = of(&events.snapshot().await?, &context.scope, &name).await?;
    let tags = group.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceOutput { tags: Some(tags) })
}
