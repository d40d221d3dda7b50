//! The store layout: every key of the Lambda service, and why it is there.
//!
//! All keys begin with `"lambda"` and the kind of thing; what belongs to a function goes on with account, region and
//! the function's name, so that one prefix holds everything of a kind for a function, an account's region lists in name
//! order, and deleting a function is a handful of range deletions in one transaction.

use crate::names::{FunctionId, LayerId};
use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::KeyRange;
use danbi_store::key::KeyBuilder;

fn kind(kind: &str) -> KeyBuilder {
    KeyBuilder::new().str("lambda").str(kind)
}

fn scoped(name: &str, scope: &Scope) -> KeyBuilder {
    kind(name).str(scope.account.as_str()).str(scope.region.as_str())
}

fn of(name: &str, id: &FunctionId) -> KeyBuilder {
    scoped(name, &id.scope).str(id.name.as_str())
}

/// The function with its `$LATEST`: the one record that every invocation reads.
pub(crate) fn function(id: &FunctionId) -> Bytes {
    of("function", id).build()
}

/// All functions of an account's region, by name.
pub(crate) fn functions(scope: &Scope) -> Bytes {
    scoped("function", scope).build()
}

/// A published version: it never changes but for its state, so it is a record of its own.
pub(crate) fn version(id: &FunctionId, version: u64) -> Bytes {
    of("version", id).u64(version).build()
}

/// A function's published versions, oldest first.
pub(crate) fn versions(id: &FunctionId) -> Bytes {
    of("version", id).build()
}

/// An alias.
pub(crate) fn alias(id: &FunctionId, name: &str) -> Bytes {
    of("alias", id).str(name).build()
}

/// A function's aliases, by name.
pub(crate) fn aliases(id: &FunctionId) -> Bytes {
    of("alias", id).build()
}

/// The resource policy of a function, a version or an alias (`qualifier` is `$LATEST` for the function itself).
pub(crate) fn policy(id: &FunctionId, qualifier: &str) -> Bytes {
    of("policy", id).str(qualifier).build()
}

/// A function's policies.
pub(crate) fn policies(id: &FunctionId) -> Bytes {
    of("policy", id).build()
}

/// The URL of a function (`$LATEST`) or of an alias.
pub(crate) fn url(id: &FunctionId, qualifier: &str) -> Bytes {
    of("url", id).str(qualifier).build()
}

/// A function's URLs.
pub(crate) fn urls(id: &FunctionId) -> Bytes {
    of("url", id).build()
}

/// From a URL's id to the function: requests to URLs name no account. Not scoped, because ids are unique.
pub(crate) fn url_id(id: &str) -> Bytes {
    kind("url-id").str(id).build()
}

/// How asynchronous invocations of a qualifier are retried and reported.
pub(crate) fn event_config(id: &FunctionId, qualifier: &str) -> Bytes {
    of("event-config", id).str(qualifier).build()
}

/// A function's event invoke configurations.
pub(crate) fn event_configs(id: &FunctionId) -> Bytes {
    of("event-config", id).build()
}

/// A function's tags: apart from the function, so that an invocation need not read them.
pub(crate) fn tags(id: &FunctionId) -> Bytes {
    of("tags", id).build()
}

/// A function that is being prepared; what a restart has to finish.
pub(crate) fn pending(id: &FunctionId) -> Bytes {
    of("pending", id).build()
}

/// All functions that are being prepared, of every account.
pub(crate) fn all_pending() -> Bytes {
    kind("pending").build()
}

/// How many environments of an alias or a version are kept initialised.
pub(crate) fn provision(id: &FunctionId, qualifier: &str) -> Bytes {
    of("provision", id).str(qualifier).build()
}

/// A function's provisioned concurrency, by qualifier.
pub(crate) fn provisions(id: &FunctionId) -> Bytes {
    of("provision", id).build()
}

/// All provisioned concurrency, of every account: what is told to the executor.
pub(crate) fn all_provisions() -> Bytes {
    kind("provision").build()
}

/// A published version whose snapshot is to be taken; what a restart has to finish.
pub(crate) fn snapshot(id: &FunctionId, version: u64) -> Bytes {
    of("snapshot", id).u64(version).build()
}

/// A function's versions whose snapshots are to be taken.
pub(crate) fn snapshots(id: &FunctionId) -> Bytes {
    of("snapshot", id).build()
}

/// All versions whose snapshots are to be taken, of every account.
pub(crate) fn all_snapshots() -> Bytes {
    kind("snapshot").build()
}

/// What an account's region uses of its limits, kept in step by the transactions that change it.
pub(crate) fn usage(scope: &Scope) -> Bytes {
    scoped("usage", scope).build()
}

/// The versions of a layer: only the next number, as numbers are never used twice.
pub(crate) fn layer(id: &LayerId) -> Bytes {
    scoped("layer", &id.scope).str(&id.name).build()
}

/// All layers of an account's region.
pub(crate) fn layers(scope: &Scope) -> Bytes {
    scoped("layer", scope).build()
}

/// A version of a layer.
pub(crate) fn layer_version(id: &LayerId, version: u64) -> Bytes {
    scoped("layer-version", &id.scope).str(&id.name).u64(version).build()
}

/// A layer's versions, oldest first.
pub(crate) fn layer_versions(id: &LayerId) -> Bytes {
    scoped("layer-version", &id.scope).str(&id.name).build()
}

/// The resource policy of a layer's version.
pub(crate) fn layer_policy(id: &LayerId, version: u64) -> Bytes {
    scoped("layer-policy", &id.scope).str(&id.name).u64(version).build()
}

/// That `owner` uses the blob with this digest. Blobs are shared by content, so whoever uses one says so here; the
/// collector keeps what has an entry.
pub(crate) fn blob_use(digest: &str, owner: &str) -> Bytes {
    kind("blob").str(digest).str(owner).build()
}

/// Everyone who uses the blob with this digest.
pub(crate) fn blob_uses(digest: &str) -> Bytes {
    kind("blob").str(digest).build()
}

/// Every use of every blob: what the collector of unpacked code reads.
pub(crate) fn all_blob_uses() -> Bytes {
    kind("blob").build()
}

/// An accepted asynchronous invocation, with its event; under the function, so that it goes with it.
pub(crate) fn event(id: &FunctionId, event: &str) -> Bytes {
    of("event", id).str(event).build()
}

/// A function's accepted asynchronous invocations.
pub(crate) fn events(id: &FunctionId) -> Bytes {
    of("event", id).build()
}

/// When an asynchronous invocation is due (or its claim ends). Ordered by time over all accounts, because the
/// dispatcher asks for what is due next, whoever's it is.
pub(crate) fn due(at: Timestamp, event: &str) -> Bytes {
    kind("due").i64(at.as_millis()).str(event).build()
}

/// All that is due, soonest first.
pub(crate) fn all_due() -> Bytes {
    kind("due").build()
}

/// An event source mapping. By id alone within its account's region: that is how clients name it.
pub(crate) fn mapping(account: &str, region: &str, uuid: &str) -> Bytes {
    kind("mapping").str(account).str(region).str(uuid).build()
}

/// The event source mappings of an account's region.
pub(crate) fn mappings(scope: &Scope) -> Bytes {
    scoped("mapping", scope).build()
}

/// All event source mappings, of every account: what the poller looks after.
pub(crate) fn all_mappings() -> Bytes {
    kind("mapping").build()
}

/// That a function is mapped to a source: there is one mapping for both.
pub(crate) fn mapping_of(id: &FunctionId, qualifier: &Option<String>, source: &str) -> Bytes {
    of("mapping-of", id)
        .str(qualifier.as_deref().unwrap_or_default())
        .str(source)
        .build()
}

/// Which node reads a mapping's source, until when.
pub(crate) fn mapping_lease(uuid: &str) -> Bytes {
    kind("mapping-lease").str(uuid).build()
}

/// What came of a mapping's last attempt: apart from the mapping, which only its owner changes.
pub(crate) fn mapping_result(uuid: &str) -> Bytes {
    kind("mapping-result").str(uuid).build()
}

/// How far a mapping has read a shard.
pub(crate) fn source_checkpoint(uuid: &str, shard: &str) -> Bytes {
    kind("checkpoint").str(uuid).str(shard).build()
}

/// How far a mapping has read its source's shards.
pub(crate) fn source_checkpoints(uuid: &str) -> Bytes {
    kind("checkpoint").str(uuid).build()
}

/// That a function is an app's (`danbi:app` tag): requests to apps name no account.
pub(crate) fn app(app: &str, id: &FunctionId) -> Bytes {
    kind("app")
        .str(app)
        .str(id.scope.account.as_str())
        .str(id.scope.region.as_str())
        .str(id.name.as_str())
        .build()
}

/// The functions that claim to be an app.
pub(crate) fn apps(app: &str) -> Bytes {
    kind("app").str(app).build()
}

/// The key that download URLs are signed with.
pub(crate) fn download_secret() -> Bytes {
    kind("secret").str("download").build()
}

/// The range of everything below a prefix made here.
pub(crate) fn below(prefix: &Bytes) -> KeyRange {
    KeyRange::prefix(prefix.clone())
}
