//! CreateTopic, DeleteTopic, ListTopics.

use crate::names::{TopicName, is_topic_name};
use crate::records::{Read, Topic, put};
use crate::shapes::{
    CreateTopicInput, CreateTopicResponse, DeleteTopicInput, ListTopicsInput, ListTopicsResponse, Topic as TopicShape,
};
use crate::{Error, Sns, keys, tags, topic_attributes};
use danbi_core::{Arn, RequestContext};
use danbi_store::KeyRange;
use danbi_store::key::KeyReader;
use danbi_wire::Empty;
use std::sync::Arc;

/// The length of every page of SNS.
pub(crate) const PAGE: usize = 100;
/// Subscriptions removed in one transaction.
const REMOVED_AT_ONCE: usize = 500;

pub(crate) fn missing() -> Error {
    Error::NotFound("Topic")
}

/// The record of a topic.
pub(crate) async fn of(view: &impl Read, topic: &TopicName) -> Result<Topic, Error> {
    view.record(&keys::topic(&topic.scope, &topic.name))
        .await?
        .ok_or_else(missing)
}

/// CreateTopic: the same request again gives the same topic.
pub(crate) async fn create(
    sns: Arc<Sns>,
    context: RequestContext,
    input: CreateTopicInput,
) -> Result<CreateTopicResponse, Error> {
    if input.data_protection_policy.is_some() {
        return Err(Error::Unsupported("Data protection policies are not built.".into()));
    }
    let given = input.attributes.unwrap_or_default();
    let fifo = given
        .get("FifoTopic")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_topic_name(&input.name) || input.name.ends_with(".fifo") != fifo {
        return Err(Error::invalid("Topic Name"));
    }
    let topic = TopicName {
        scope: context.scope.clone(),
        name: input.name,
    };
    let tags = tags::of_list(input.tags.as_deref().unwrap_or_default())?;
    let mut new = Topic {
        tags,
        ..Topic::default()
    };
    for (name, value) in &given {
        topic_attributes::set(&topic, &mut new, name, value, true)?;
    }
    let (topic, new, given) = (&topic, &new, &given);
    sns.store
        .transact(async |tx| {
            let key = keys::topic(&topic.scope, &topic.name);
            let Some(before) = tx.record::<Topic>(&key).await? else {
                return put(&tx, &key, new);
            };
            let same = given.iter().all(|(name, _)| match name.as_str() {
                "Policy" => before.policy == new.policy,
                name => before.attributes.get(name) == new.attributes.get(name),
            });
            if !same {
                return Err(Error::invalid(
                    "Attributes Reason: Topic already exists with different attributes",
                ));
            }
            if !new.tags.is_empty() && new.tags != before.tags {
                return Err(Error::invalid("Tags Reason: Topic already exists with different tags"));
            }
            Ok(())
        })
        .await?;
    Ok(CreateTopicResponse {
        topic_arn: Some(topic.arn()),
    })
}

/// DeleteTopic: with its subscriptions; a topic that is not there is deleted too.
pub(crate) async fn delete(sns: Arc<Sns>, _: RequestContext, input: DeleteTopicInput) -> Result<Empty, Error> {
    let topic = &TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    loop {
        let more = sns
            .store
            .transact(async |tx| {
                tx.delete(&keys::topic(&topic.scope, &topic.name))?;
                let page = tx
                    .page(keys::subscriptions(&topic.scope, &topic.name), REMOVED_AT_ONCE)
                    .await?;
                for (key, _) in &page.entries {
                    tx.delete(key)?;
                }
                if !page.more {
                    tx.delete_range(keys::all_seen(&topic.scope, &topic.name))?;
                    tx.delete_range(keys::all_seen_at(&topic.scope, &topic.name))?;
                }
                Ok::<_, Error>(page.more)
            })
            .await?;
        if !more {
            return Ok(Empty {});
        }
    }
}

/// ListTopics.
pub(crate) async fn list(
    sns: Arc<Sns>,
    context: RequestContext,
    input: ListTopicsInput,
) -> Result<ListTopicsResponse, Error> {
    let scope = &context.scope;
    let prefix = keys::topics(scope);
    let mut range = KeyRange::prefix(prefix.clone());
    if let Some(token) = &input.next_token {
        range = range.after(&keys::topic(scope, &name_of_token(token)?));
    }
    let page = sns.snapshot().await?.page(range, PAGE).await?;
    let mut topics = Vec::with_capacity(page.entries.len());
    let mut last = None;
    for (key, _) in &page.entries {
        let name = KeyReader::after_prefix(key, &prefix)
            .and_then(|mut reader| reader.str())
            .map_err(Error::internal)?;
        last = Some(token_of(&name));
        topics.push(TopicShape {
            topic_arn: Some(Arn::new("sns", scope, name).to_string()),
        });
    }
    Ok(ListTopicsResponse {
        topics: Some(topics),
        next_token: last.filter(|_| page.more),
    })
}

/// A token that bears where a page ended.
pub(crate) fn token_of(name: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name)
}

/// What a token bears; one that no answer gave is an error.
pub(crate) fn name_of_token(token: &str) -> Result<String, Error> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::invalid("NextToken"))
}
