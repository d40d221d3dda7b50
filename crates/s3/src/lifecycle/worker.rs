//! Doing what the rules say: expiring current versions, moving objects into cheaper storage classes, removing old versions
//! and lone delete markers, aborting uploads; and ending the copies of archived objects that were restored.
//!
//! One node at a time works, under a lease. It walks through the buckets in small steps: a page is read, and what is due on
//! it is removed in one transaction that looks again, so that what changed in between is left alone. A crash loses
//! nothing: the next round finds what is left.

use super::rules::{Rules, Subject};
use super::{expiration, transition};
use crate::bucket_config::kind;
use crate::ids::UploadId;
use crate::lease::Lease;
use crate::notifications::{Happened, emit};
use crate::objects::delete::Removal;
use crate::records::{self, Bucket, Doomed, Upload, Version, View};
use crate::{Error, Result, S3, archive, keys, object_lock, versions};
use bytes::Bytes;
use danbi_core::{Principal, RequestContext, RequestFacts, RequestId, Scope, Timestamp};
use danbi_store::{Direction, KeyRange, Transaction};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Entries of a page.
const PAGE: usize = 500;
/// Removals of a transaction.
const AT_ONCE: usize = 64;
/// How long a node may be silent before another takes over: longer than a page takes.
const LEASE: Duration = Duration::from_secs(60);

/// Goes through all buckets now and then, until the service ends.
pub(crate) async fn run(s3: Arc<S3>) {
    let worker = Worker {
        lease: Lease::new("lifecycle", LEASE),
        s3,
    };
    loop {
        if let Err(error) = worker.round().await {
            tracing::warn!(%error, "what has expired could not be removed; trying again later");
        }
        tokio::select! {
            () = worker.s3.stopped() => return,
            () = tokio::time::sleep(worker.s3.options.lifecycle_every) => {}
        }
    }
}

struct Worker {
    lease: Lease,
    s3: Arc<S3>,
}

/// What is due on a page.
enum Due {
    /// The current version of a key, with its id as it was read.
    Current { key: String, version: Version },
    /// A version of a key for good.
    Old { key: String, version: Version },
    /// A version of a key into another storage class.
    Moved {
        key: String,
        version: Version,
        class: String,
    },
}

impl Worker {
    /// One walk through all buckets.
    async fn round(&self) -> Result<()> {
        if self.may_go_on().await? {
            archive::expire(&self.s3, &self.context()).await?;
        }
        let mut range = keys::below(keys::buckets());
        loop {
            if !self.may_go_on().await? {
                return Ok(());
            }
            let page = self.page(range.clone()).await?;
            for (key, value) in &page.entries {
                let bucket: Bucket = records::decode(value)?;
                if !bucket.configured.contains(kind::LIFECYCLE) {
                    continue;
                }
                let name = keys::bucket_name(key).map_err(|error| Error::Damaged(error.to_string()))?;
                if let Err(error) = self.bucket(&name, &bucket).await {
                    // One bucket in trouble must not keep the others.
                    tracing::warn!(%error, bucket = name, "what has expired could not be removed; trying again later");
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }

    async fn may_go_on(&self) -> Result<bool> {
        Ok(!self.s3.is_stopping() && self.lease.hold(&self.s3).await?)
    }

    async fn page(&self, range: KeyRange) -> Result<danbi_store::Page> {
        Ok(self.s3.snapshot().await?.page(range, Direction::Forward, PAGE).await?)
    }

    async fn bucket(&self, name: &str, bucket: &Bucket) -> Result<()> {
        let rules = expiration::rules(&self.s3, &self.s3.snapshot().await?, bucket).await?;
        if rules.is_empty() {
            return Ok(());
        }
        for prefix in rules.prefixes_of_current() {
            self.current(name, bucket, &rules, prefix).await?;
        }
        for prefix in rules.prefixes_of_history() {
            self.history(name, bucket, &rules, prefix).await?;
        }
        for prefix in rules.prefixes_of_uploads() {
            self.uploads(bucket, &rules, prefix).await?;
        }
        Ok(())
    }

    /// Expires and moves current versions.
    async fn current(&self, name: &str, bucket: &Bucket, rules: &Rules, prefix: &str) -> Result<()> {
        let mut range = keys::below(keys::objects(&bucket.id, prefix));
        while self.may_go_on().await? {
            let now = self.s3.now();
            let page = self.page(range.clone()).await?;
            let mut due = Vec::new();
            for (place, value) in &page.entries {
                let version: Version = records::decode(value)?;
                let key = keys::object_key(place).map_err(|error| Error::Damaged(error.to_string()))?;
                if is_due(rules, &key, &version, now) {
                    due.push(Due::Current { key, version });
                } else if let Some(class) = transition::of_current(rules, &key, &version, now) {
                    due.push(Due::Moved { key, version, class });
                }
            }
            self.act(name, &due).await?;
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => break,
            }
        }
        Ok(())
    }

    /// Removes and moves old versions, and removes delete markers with nothing behind them.
    async fn history(&self, name: &str, bucket: &Bucket, rules: &Rules, prefix: &str) -> Result<()> {
        let mut range = keys::below(keys::histories(&bucket.id, prefix));
        let mut walk = Walk::default();
        while self.may_go_on().await? {
            let now = self.s3.now();
            let view = self.s3.snapshot().await?;
            let page = view.page(range.clone(), Direction::Forward, PAGE).await?;
            let mut due = Vec::new();
            for (place, value) in &page.entries {
                let version: Version = records::decode(value)?;
                let (key, _) = keys::version_parts(place).map_err(|error| Error::Damaged(error.to_string()))?;
                if walk.key != key {
                    due.extend(walk.lone_marker(rules, now));
                    let head: Option<Version> = view.record(&keys::object(&bucket.id, &key)).await?;
                    walk = Walk::begin(key, head);
                }
                due.extend(walk.step(rules, version, now));
            }
            if !page.more {
                due.extend(walk.lone_marker(rules, now));
            }
            self.act(name, &due).await?;
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => break,
            }
        }
        Ok(())
    }

    /// Does what is due, to whatever has not changed since it was read.
    async fn act(&self, name: &str, due: &[Due]) -> Result<()> {
        let context = self.context();
        for some in due.chunks(AT_ONCE) {
            let (doomed, told) = self
                .s3
                .store
                .transact(async |tx| {
                    let Some(bucket) = tx.record::<Bucket>(&keys::bucket(name)).await? else {
                        return Ok((false, false));
                    };
                    let (mut doomed, mut told) = (false, false);
                    for one in some {
                        let (d, t) = self.act_on(&tx, &context, name, &bucket, one).await?;
                        doomed |= d;
                        told |= t;
                    }
                    Ok::<_, Error>((doomed, told))
                })
                .await?;
            if doomed {
                self.s3.doomed.notify_one();
            }
            if told {
                self.s3.told.notify_one();
            }
        }
        Ok(())
    }

    /// Whether something was doomed, and whether there is something to tell.
    async fn act_on(
        &self,
        tx: &Transaction,
        context: &RequestContext,
        name: &str,
        bucket: &Bucket,
        due: &Due,
    ) -> Result<(bool, bool)> {
        let now = self.s3.now();
        let (key, old, which) = match due {
            Due::Moved { key, version, class } => {
                let told = transition::apply(&self.s3, tx, context, (name, bucket), key, version, class).await?;
                return Ok((false, told));
            }
            Due::Current { key, version } => {
                let head: Option<Version> = tx.record(&keys::object(&bucket.id, key)).await?;
                if head.as_ref() != Some(version) {
                    return Ok((false, false));
                }
                (key, version, None)
            }
            Due::Old { key, version } => {
                let id = version.public_id();
                let found = versions::named(tx, bucket, key, S3::version_id(&id)?).await?;
                if found.as_ref() != Some(version) {
                    return Ok((false, false));
                }
                if let Some(object) = &version.object
                    && object_lock::check_removal(object, now, false).is_err()
                {
                    return Ok((false, false));
                }
                (key, version, Some(id))
            }
        };
        let removal = Removal {
            key,
            version: which.as_deref(),
            if_match: None,
            bypass: false,
        };
        let removed = removal.run(tx, bucket, &bucket.owner, now).await?;
        let marked = removed.made.is_some();
        let version = removed.version.as_ref().unwrap_or(old);
        let happened = Happened {
            event: if marked {
                "s3:LifecycleExpiration:DeleteMarkerCreated"
            } else {
                "s3:LifecycleExpiration:Delete"
            },
            key,
            version,
        };
        let told = emit(&self.s3, tx, context, name, bucket, happened).await?;
        Ok((removed.doomed, told))
    }

    /// Aborts unfinished uploads.
    async fn uploads(&self, bucket: &Bucket, rules: &Rules, prefix: &str) -> Result<()> {
        let mut range = keys::below(keys::uploads(&bucket.id, prefix));
        while self.may_go_on().await? {
            let now = self.s3.now();
            let page = self.page(range.clone()).await?;
            let mut due: Vec<(&Bytes, UploadId)> = Vec::new();
            for (place, value) in &page.entries {
                let upload: Upload = records::decode(value)?;
                let (key, id) = keys::upload_parts(place).map_err(|error| Error::Damaged(error.to_string()))?;
                if rules.abort(&key, upload.initiated).is_some_and(|end| end.at <= now) {
                    due.push((place, id));
                }
            }
            for some in due.chunks(AT_ONCE) {
                self.s3
                    .store
                    .transact(async |tx| {
                        for (place, id) in some {
                            // An upload that was completed or aborted in between is gone, and its parts are looked after.
                            if tx.get(place).await?.is_none() {
                                continue;
                            }
                            tx.delete(place)?;
                            let doomed = records::encode(&Doomed::Parts(*id))?;
                            let at = keys::doomed(now.as_millis(), &crate::ids::ContentId::new(now));
                            tx.put(&at, doomed)?;
                        }
                        Ok::<_, Error>(())
                    })
                    .await?;
                self.s3.doomed.notify_one();
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => break,
            }
        }
        Ok(())
    }

    /// In whose name things are removed: S3's own.
    fn context(&self) -> RequestContext {
        RequestContext {
            request_id: RequestId::new(),
            scope: Scope::default(),
            principal: Principal::Service("s3.amazonaws.com".into()),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: true,
            host: String::new(),
            user_agent: String::new(),
            facts: RequestFacts::default(),
        }
    }
}

fn is_due(rules: &Rules, key: &str, version: &Version, now: Timestamp) -> bool {
    let Some(object) = &version.object else { return false };
    let subject = Subject {
        key,
        size: object.size,
        tags: &object.tags,
    };
    rules
        .expiry(&subject, version.modified)
        .is_some_and(|expiry| expiry.at <= now)
}

/// Where a walk through the history of one key stands: from the newest version to the oldest.
#[derive(Default)]
struct Walk {
    key: String,
    /// When the version before was made, which is when the next became noncurrent; none before the current version.
    newer_made: Option<Timestamp>,
    /// How many noncurrent versions were passed.
    noncurrent: usize,
    /// The current version, while it is a delete marker with nothing seen behind it.
    marker: Option<Version>,
}

impl Walk {
    fn begin(key: String, head: Option<Version>) -> Self {
        Self {
            key,
            newer_made: head.map(|head| head.modified),
            ..Self::default()
        }
    }

    /// Takes the next version; gives it back when it is due.
    fn step(&mut self, rules: &Rules, version: Version, now: Timestamp) -> Option<Due> {
        let made = version.modified;
        let Some(since) = self.newer_made.replace(made) else {
            self.marker = Some(version);
            return None;
        };
        self.marker = None;
        let nothing = BTreeMap::new();
        let subject = Subject {
            key: &self.key,
            size: version.object.as_ref().map_or(0, |object| object.size),
            tags: version.object.as_ref().map_or(&nothing, |object| &object.tags),
        };
        let newer = self.noncurrent;
        self.noncurrent += 1;
        let key = self.key.clone();
        if rules.removes_noncurrent(&subject, newer, since, now) {
            return Some(Due::Old { key, version });
        }
        let class = transition::of_noncurrent(rules, &key, &version, newer, since, now)?;
        Some(Due::Moved { key, version, class })
    }

    /// At the end of a key: its delete marker, when nothing is behind it and a rule removes it.
    fn lone_marker(&mut self, rules: &Rules, now: Timestamp) -> Option<Due> {
        let version = self.marker.take()?;
        let due = rules.removes_lone_marker(&self.key, version.modified, now);
        due.then(|| Due::Old {
            key: std::mem::take(&mut self.key),
            version,
        })
    }
}
