//! Moves from one storage class into a cheaper one.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>.

use super::rules::{Rules, Subject};
use crate::notifications::{Happened, emit};
use crate::records::{Bucket, Version};
use crate::{Result, S3, versions};
use danbi_core::{RequestContext, Timestamp};
use danbi_store::Transaction;

/// The classes from the warmest to the coldest: a transition only goes forward.
const WATERFALL: [&str; 7] = [
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];
/// Bytes that an object must have to move into a class where small objects cost more than they save.
const MINIMUM_BYTES: u64 = 128 * 1024;

/// How far down the waterfall a class is; what is not on it is as warm as can be.
pub(super) fn warmth(class: &str) -> usize {
    WATERFALL.iter().position(|known| *known == class).unwrap_or(0)
}

/// Whether there is a way from one class into the other.
pub(super) fn may_move(from: &str, to: &str) -> bool {
    warmth(from) < warmth(to) && (from, to) != ("ONEZONE_IA", "GLACIER_IR")
}

/// Which small objects transitions leave where they are, when their rule says nothing of sizes
/// (`TransitionDefaultMinimumObjectSize`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Smallest {
    /// Those under 128 KiB.
    #[default]
    Everywhere,
    /// Those under 128 KiB, but not on their way into an archive.
    OutsideArchives,
}

impl Smallest {
    /// The usual one, by its name.
    pub(super) const USUAL: &str = "all_storage_classes_128K";
    /// The other.
    pub(super) const VARIES: &str = "varies_by_storage_class";

    pub(super) fn named(name: &str) -> Self {
        match name {
            Self::VARIES => Self::OutsideArchives,
            _ => Self::Everywhere,
        }
    }

    /// Whether an object of so many bytes moves into a class.
    pub(super) fn moves(self, bytes: u64, class: &str) -> bool {
        bytes >= MINIMUM_BYTES || self == Self::OutsideArchives && matches!(class, "GLACIER" | "DEEP_ARCHIVE")
    }
}

/// The class that a current version moves into by now.
pub(super) fn of_current(rules: &Rules, key: &str, version: &Version, now: Timestamp) -> Option<String> {
    let object = version.object.as_ref()?;
    let subject = Subject {
        key,
        size: object.size,
        tags: &object.tags,
    };
    let from = object.storage_class.as_deref().unwrap_or(WATERFALL[0]);
    rules.moves(&subject, from, version.modified, now).map(str::to_owned)
}

/// The class that an old version moves into by now, which `newer` newer noncurrent ones follow and which is noncurrent
/// since `since`.
pub(super) fn of_noncurrent(
    rules: &Rules,
    key: &str,
    version: &Version,
    newer: usize,
    since: Timestamp,
    now: Timestamp,
) -> Option<String> {
    let object = version.object.as_ref()?;
    let subject = Subject {
        key,
        size: object.size,
        tags: &object.tags,
    };
    let from = object.storage_class.as_deref().unwrap_or(WATERFALL[0]);
    let class = rules.moves_noncurrent(&subject, from, newer, since, now)?;
    Some(class.to_owned())
}

/// Moves a version, unless it is no longer as it was read; whether there is something to tell. Its entity tag, time and
/// lock stay; a restored copy of it ends.
pub(super) async fn apply(
    s3: &S3,
    tx: &Transaction,
    context: &RequestContext,
    (name, bucket): (&str, &Bucket),
    key: &str,
    as_read: &Version,
    class: &str,
) -> Result<bool> {
    let found = versions::of_id(tx, bucket, key, as_read.id).await?;
    let Some(mut version) = found.filter(|found| found == as_read) else {
        return Ok(false);
    };
    let Some(object) = version.object.as_mut() else {
        return Ok(false);
    };
    object.storage_class = Some(class.to_owned());
    object.restored = None;
    versions::rewrite(tx, bucket, key, &version).await?;
    let happened = Happened {
        event: "s3:LifecycleTransition",
        key,
        version: &version,
    };
    emit(s3, tx, context, name, bucket, happened).await
}
