//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `events, BUS, scope, name` | `Bus` | listed by name; `default` is there without a record |
//! | `events, RULE, scope, bus, name` | `Rule` | an event meets all rules of its bus in one scan |
//! | `events, TARGET, scope, bus, rule, id` | the target's shape | a rule's targets are one scan |
//! | `events, BY_ARN, scope, bus, arn, rule, id` | nothing | ListRuleNamesByTarget |
//! | `events, TICK, time, scope, rule` | nothing | what is due in every scope is one scan |
//! | `events, ARCHIVE, scope, name` | `Archive` | listed by name |
//! | `events, OF_BUS, scope, bus, archive` | nothing | whether an event is to be archived |
//! | `events, ARCHIVED, archive id, time, event, part` | the event | a replay is one scan in time, and so is expiry |
//! | `events, REPLAY, scope, name` | `Replay` | listed by name |
//! | `events, REPLAYING, scope, name` | nothing | replays that go on after a restart |
//! | `scheduler, GROUP, scope, name` | `Group` | |
//! | `scheduler, SCHEDULE, scope, group, name` | `Schedule` | listed by group and name |
//! | `scheduler, TICK, time, scope, group, name` | nothing | what is due is one scan |
//! | `scheduler, TOKEN, scope, token` | `Token` | a request sent twice is done once |

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const BUS: u64 = 1;
const RULE: u64 = 2;
const TARGET: u64 = 3;
const BY_ARN: u64 = 4;
const TICK: u64 = 5;
const ARCHIVE: u64 = 6;
const OF_BUS: u64 = 7;
const ARCHIVED: u64 = 8;
const REPLAY: u64 = 9;
const REPLAYING: u64 = 10;

const GROUP: u64 = 1;
const SCHEDULE: u64 = 2;
const TOKEN: u64 = 3;

fn scoped(service: &str, kind: u64, scope: &Scope) -> KeyBuilder {
    KeyBuilder::new()
        .str(service)
        .u64(kind)
        .str(scope.account.as_str())
        .str(scope.region.as_str())
}

fn events(kind: u64, scope: &Scope) -> KeyBuilder {
    scoped("events", kind, scope)
}

/// The last text element of a key that has nothing else behind its prefix: the name in a listing.
pub(crate) fn last_name(key: &[u8], prefix: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::after_prefix(key, prefix)?;
    let mut last = reader.str()?;
    while !reader.is_end() {
        last = reader.str()?;
    }
    Ok(last)
}

pub(crate) fn bus(scope: &Scope, name: &str) -> Bytes {
    events(BUS, scope).str(name).build()
}

/// The prefix of all records of a kind that listings go through.
pub(crate) fn bus_prefix(scope: &Scope) -> Bytes {
    events(BUS, scope).build()
}

pub(crate) fn archive_prefix(scope: &Scope) -> Bytes {
    events(ARCHIVE, scope).build()
}

pub(crate) fn replay_prefix(scope: &Scope) -> Bytes {
    events(REPLAY, scope).build()
}

pub(crate) fn group_prefix(scope: &Scope) -> Bytes {
    scoped("scheduler", GROUP, scope).build()
}

pub(crate) fn schedule_prefix(scope: &Scope) -> Bytes {
    scoped("scheduler", SCHEDULE, scope).build()
}

pub(crate) fn buses(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(events(BUS, scope).str_prefix(prefix))
}

pub(crate) fn rule(scope: &Scope, bus: &str, name: &str) -> Bytes {
    events(RULE, scope).str(bus).str(name).build()
}

/// The prefix of all rules of a bus.
pub(crate) fn rule_prefix(scope: &Scope, bus: &str) -> Bytes {
    events(RULE, scope).str(bus).build()
}

pub(crate) fn rules(scope: &Scope, bus: &str, prefix: &str) -> KeyRange {
    KeyRange::prefix(events(RULE, scope).str(bus).str_prefix(prefix))
}

pub(crate) fn target(scope: &Scope, bus: &str, rule: &str, id: &str) -> Bytes {
    events(TARGET, scope).str(bus).str(rule).str(id).build()
}

pub(crate) fn targets(scope: &Scope, bus: &str, rule: &str) -> KeyRange {
    KeyRange::prefix(events(TARGET, scope).str(bus).str(rule).build())
}

/// The targets of all rules of a bus.
pub(crate) fn all_targets(scope: &Scope, bus: &str) -> KeyRange {
    KeyRange::prefix(events(TARGET, scope).str(bus).build())
}

/// The entries by ARN of all rules of a bus.
pub(crate) fn all_by_arn(scope: &Scope, bus: &str) -> KeyRange {
    KeyRange::prefix(events(BY_ARN, scope).str(bus).build())
}

pub(crate) fn by_arn(scope: &Scope, bus: &str, arn: &str, rule: &str, id: &str) -> Bytes {
    events(BY_ARN, scope).str(bus).str(arn).str(rule).str(id).build()
}

/// The prefix of the entries of one target's ARN.
pub(crate) fn of_arn(scope: &Scope, bus: &str, arn: &str) -> Bytes {
    events(BY_ARN, scope).str(bus).str(arn).build()
}

/// The entries of a target's ARN behind this rule's.
pub(crate) fn of_arn_after(scope: &Scope, bus: &str, arn: &str, rule: &str) -> Bytes {
    events(BY_ARN, scope).str(bus).str(arn).str(rule).build()
}

fn tick_root(service: &str) -> KeyBuilder {
    KeyBuilder::new().str(service).u64(TICK)
}

pub(crate) fn tick(at: i64, scope: &Scope, rule: &str) -> Bytes {
    tick_root("events")
        .i64(at)
        .str(scope.account.as_str())
        .str(scope.region.as_str())
        .str(rule)
        .build()
}

pub(crate) fn ticks() -> KeyRange {
    KeyRange::prefix(tick_root("events").build())
}

fn read_scope(reader: &mut KeyReader<'_>) -> Result<Scope, KeyError> {
    let account = reader.str()?.parse().map_err(|_| KeyError::Unexpected)?;
    let region = reader.str()?.parse().map_err(|_| KeyError::Unexpected)?;
    Ok(Scope { account, region })
}

/// When a key of [`ticks`] is due, and whose rule it names.
pub(crate) fn ticking(key: &[u8]) -> Result<(i64, Scope, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &tick_root("events").build())?;
    Ok((reader.i64()?, read_scope(&mut reader)?, reader.str()?))
}

pub(crate) fn archive(scope: &Scope, name: &str) -> Bytes {
    events(ARCHIVE, scope).str(name).build()
}

pub(crate) fn archives(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(events(ARCHIVE, scope).str_prefix(prefix))
}

/// Every archive of every scope.
pub(crate) fn all_archives() -> KeyRange {
    KeyRange::prefix(KeyBuilder::new().str("events").u64(ARCHIVE).build())
}

pub(crate) fn of_bus(scope: &Scope, bus: &str, archive: &str) -> Bytes {
    events(OF_BUS, scope).str(bus).str(archive).build()
}

/// The prefix of the archives of a bus.
pub(crate) fn all_of_bus(scope: &Scope, bus: &str) -> Bytes {
    events(OF_BUS, scope).str(bus).build()
}

fn archived_root(archive: &str) -> KeyBuilder {
    KeyBuilder::new().str("events").u64(ARCHIVED).str(archive)
}

pub(crate) fn archived(archive: &str, at: i64, event: &str, part: u64) -> Bytes {
    archived_root(archive).i64(at).str(event).u64(part).build()
}

pub(crate) fn all_archived(archive: &str) -> KeyRange {
    KeyRange::prefix(archived_root(archive).build())
}

/// The events of an archive from `from` to before `to`.
pub(crate) fn archived_between(archive: &str, from: i64, to: i64) -> KeyRange {
    KeyRange::new(
        archived_root(archive).i64(from).build(),
        archived_root(archive).i64(to).build(),
    )
}

/// Time, event and part of a key of [`all_archived`].
pub(crate) fn archived_event(archive: &str, key: &[u8]) -> Result<(i64, String, u64), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &archived_root(archive).build())?;
    Ok((reader.i64()?, reader.str()?, reader.u64()?))
}

pub(crate) fn replay(scope: &Scope, name: &str) -> Bytes {
    events(REPLAY, scope).str(name).build()
}

pub(crate) fn replays(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(events(REPLAY, scope).str_prefix(prefix))
}

pub(crate) fn replaying(scope: &Scope, name: &str) -> Bytes {
    events(REPLAYING, scope).str(name).build()
}

pub(crate) fn all_replaying() -> KeyRange {
    KeyRange::prefix(KeyBuilder::new().str("events").u64(REPLAYING).build())
}

/// The replays of a scope that are not finished.
pub(crate) fn replaying_in(scope: &Scope) -> KeyRange {
    KeyRange::prefix(events(REPLAYING, scope).build())
}

/// Whose a key of [`all_replaying`] is, and its name.
pub(crate) fn replaying_of(key: &[u8]) -> Result<(Scope, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &KeyBuilder::new().str("events").u64(REPLAYING).build())?;
    Ok((read_scope(&mut reader)?, reader.str()?))
}

pub(crate) fn group(scope: &Scope, name: &str) -> Bytes {
    scoped("scheduler", GROUP, scope).str(name).build()
}

pub(crate) fn groups(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(scoped("scheduler", GROUP, scope).str_prefix(prefix))
}

pub(crate) fn schedule(scope: &Scope, group: &str, name: &str) -> Bytes {
    scoped("scheduler", SCHEDULE, scope).str(group).str(name).build()
}

/// The schedules of a group whose names begin with `prefix`.
pub(crate) fn schedules(scope: &Scope, group: &str, prefix: &str) -> KeyRange {
    KeyRange::prefix(scoped("scheduler", SCHEDULE, scope).str(group).str_prefix(prefix))
}

/// The schedules of all groups.
pub(crate) fn all_schedules(scope: &Scope) -> KeyRange {
    KeyRange::prefix(scoped("scheduler", SCHEDULE, scope).build())
}

pub(crate) fn schedule_tick(at: i64, scope: &Scope, group: &str, name: &str) -> Bytes {
    let root = tick_root("scheduler")
        .i64(at)
        .str(scope.account.as_str())
        .str(scope.region.as_str());
    root.str(group).str(name).build()
}

pub(crate) fn schedule_ticks() -> KeyRange {
    KeyRange::prefix(tick_root("scheduler").build())
}

/// When a key of [`schedule_ticks`] is due, and which schedule it names.
pub(crate) fn schedule_ticking(key: &[u8]) -> Result<(i64, Scope, String, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &tick_root("scheduler").build())?;
    Ok((reader.i64()?, read_scope(&mut reader)?, reader.str()?, reader.str()?))
}

pub(crate) fn token(scope: &Scope, operation: &str, token: &str) -> Bytes {
    scoped("scheduler", TOKEN, scope).str(operation).str(token).build()
}
