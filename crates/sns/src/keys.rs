//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `sns, TOPIC, scope, name` | `Topic` | listed by name |
//! | `sns, SUBSCRIPTION, scope, topic, id` | `Subscription` | a message meets all subscriptions of its topic in one scan |
//! | `sns, SEEN, scope, topic, deduplication id` | `Seen` | a FIFO topic's message is accepted once in five minutes |
//! | `sns, SEEN_AT, scope, topic, time, deduplication id` | nothing | what is older is forgotten |

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const TOPIC: u64 = 1;
const SUBSCRIPTION: u64 = 2;
const SEEN: u64 = 3;
const SEEN_AT: u64 = 4;

fn root(kind: u64, scope: &Scope) -> KeyBuilder {
    KeyBuilder::new()
        .str("sns")
        .u64(kind)
        .str(scope.account.as_str())
        .str(scope.region.as_str())
}

pub(crate) fn topic(scope: &Scope, name: &str) -> Bytes {
    root(TOPIC, scope).str(name).build()
}

pub(crate) fn topics(scope: &Scope) -> Bytes {
    root(TOPIC, scope).build()
}

pub(crate) fn subscription(scope: &Scope, topic: &str, id: &str) -> Bytes {
    root(SUBSCRIPTION, scope).str(topic).str(id).build()
}

pub(crate) fn subscriptions(scope: &Scope, topic: &str) -> KeyRange {
    KeyRange::prefix(root(SUBSCRIPTION, scope).str(topic).build())
}

/// The prefix of all subscriptions of a scope.
pub(crate) fn all_subscriptions(scope: &Scope) -> Bytes {
    root(SUBSCRIPTION, scope).build()
}

/// Topic and id of a key of [`all_subscriptions`].
pub(crate) fn subscription_of(scope: &Scope, key: &[u8]) -> Result<(String, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &all_subscriptions(scope))?;
    Ok((reader.str()?, reader.str()?))
}

pub(crate) fn seen(scope: &Scope, topic: &str, id: &str) -> Bytes {
    root(SEEN, scope).str(topic).str(id).build()
}

pub(crate) fn all_seen(scope: &Scope, topic: &str) -> KeyRange {
    KeyRange::prefix(root(SEEN, scope).str(topic).build())
}

pub(crate) fn seen_at(scope: &Scope, topic: &str, at: i64, id: &str) -> Bytes {
    root(SEEN_AT, scope).str(topic).i64(at).str(id).build()
}

pub(crate) fn all_seen_at(scope: &Scope, topic: &str) -> KeyRange {
    KeyRange::prefix(root(SEEN_AT, scope).str(topic).build())
}

/// What a key of [`all_seen_at`] bears.
pub(crate) fn seen_time(scope: &Scope, topic: &str, key: &[u8]) -> Result<(i64, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &root(SEEN_AT, scope).str(topic).build())?;
    Ok((reader.i64()?, reader.str()?))
}
