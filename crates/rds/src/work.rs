//! What takes longer than a request: made once the record says so, and again after a crash.

use crate::backup::{Archive, CaughtUp, Image, image, take, wal};
use crate::events::Happened;
use crate::keys::{self, Kind};
use crate::mysql::client::quoted;
use crate::rds::locked;
use crate::records::{self, Record, SnapshotRecord, Source, Status, encode};
use crate::server::{Database, Running, ServerError};
use crate::steps::Step;
use crate::{Error, Rds, Result, events, provision, restore, snapshots};
use danbi_core::{Clock, Scope};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Retries of a backup that failed.
const BACKUP_AGAIN: Duration = Duration::from_secs(30);

/// Does what the record's status says. Once: whoever gives it the next status begins with that work by himself, and two
/// who do the same get into each other's way.
pub(crate) async fn carry_out(rds: &Rds, kind: Kind, scope: &Scope, name: &str) {
    let record = match records::load::<Record>(&rds.store, &keys::named(kind, scope, name)).await {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(%error, name, "a database's record cannot be read");
            return;
        }
    };
    let outcome = match record.status {
        Status::Creating => create(rds, &record).await,
        Status::Starting => start(rds, &record).await,
        Status::Stopping => stop(rds, &record).await,
        Status::Rebooting => reboot(rds, &record).await,
        Status::Modifying => modify(rds, &record).await,
        Status::BackingUp => settle(rds, &record, Status::Available, &[]).await,
        Status::Deleting => delete(rds, &record).await,
        Status::Available | Status::Stopped | Status::Failed => return,
    };
    if let Err(error) = outcome {
        tracing::error!(%error, name, status = record.status.text(), "a database could not be brought into its next state");
        let next = match record.status {
            Status::Creating => Status::Failed,
            Status::Deleting | Status::Stopping => return,
            _ => Status::Available,
        };
        if next == Status::Failed && record.has_server() {
            rds.shut(&record).await;
            drop(rds.ports.take(record.port));
        }
        if let Err(error) = settle(rds, &record, next, &[Happened::Failed(error.to_string())]).await {
            tracing::error!(%error, name, "and that could not be written down");
        }
    }
}

/// Changes a record if its status is still what it was, and notes what has happened.
async fn settle(rds: &Rds, was: &Record, next: Status, happened: &[Happened]) -> Result<()> {
    let reason = happened.iter().find_map(|happened| match happened {
        Happened::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    change_noting(rds, was, happened, |record| {
        let is_same = record.status == was.status;
        if is_same {
            record.status = next;
            record.reason.clone_from(&reason);
        }
        is_same
    })
    .await
}

/// The server is as the record wants it, and has the password: none that is left there could come back later.
async fn made(rds: &Rds, was: &Record, happened: &[Happened]) -> Result<()> {
    change_noting(rds, was, happened, |record| {
        let is_same = record.status == was.status;
        if is_same {
            record.status = Status::Available;
            record.reason = None;
        }
        if record.new_password == was.new_password {
            record.new_password = None;
        }
        is_same
    })
    .await
}

/// Changes the record of a database, if it is still there.
pub(crate) async fn change(rds: &Rds, of: &Record, change: impl Fn(&mut Record) + Send + Sync) -> Result<()> {
    change_noting(rds, of, &[], |record| {
        change(record);
        true
    })
    .await
}

/// The same, and notes what has happened if the change says so.
async fn change_noting(
    rds: &Rds,
    of: &Record,
    happened: &[Happened],
    change: impl Fn(&mut Record) -> bool + Send + Sync,
) -> Result<()> {
    let key = keys::named(of.kind(), &of.scope, &of.name);
    let (key, change, now) = (&key, &change, rds.now());
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<Record>(&tx, key).await?
                && record.resource == of.resource
            {
                if change(&mut record) {
                    for happened in happened {
                        events::note(&tx, &record, happened, now)?;
                    }
                }
                tx.put(key, encode(&record)?)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

async fn create(rds: &Rds, record: &Record) -> Result<()> {
    if !record.has_server() {
        return settle(rds, record, Status::Available, &[Happened::Created]).await;
    }
    restore::hold(rds, record).await?;
    let volume = rds.volume(&record.resource);
    let settings = rds.settings(record).await?;
    // What an attempt before a crash has left is of no use.
    let emptied = volume.clone();
    tokio::task::spawn_blocking(move || emptied.remove().and_then(|()| emptied.make()))
        .await
        .map_err(std::io::Error::other)??;
    rds.reached(record, Step::Emptied).await;
    match &record.source {
        Source::Nothing => rds.machine.initialise(&volume, &settings).await?,
        Source::Image(image) => {
            fill(rds, image, &volume).await?;
            rds.reached(record, Step::Filled).await;
            rds.machine.adopt(&volume, &settings).await?;
        }
        Source::Moment {
            image,
            resource,
            until,
            logs_to,
        } => {
            fill(rds, image, &volume).await?;
            rds.reached(record, Step::Filled).await;
            let replay = volume.writable().join("replay");
            tokio::fs::create_dir_all(&replay).await?;
            let archive = rds.archive(resource, record.family());
            let (logs, end) = archive.fetch(&image.position, &replay).await?;
            if end < *logs_to {
                return Err(Error::Damaged(
                    "the logs of the source are gone: was it deleted meanwhile?".to_owned(),
                ));
            }
            rds.reached(record, Step::Fetched).await;
            if !logs.is_empty() {
                let stop = until.map(|until| until + 1);
                rds.machine
                    .replay(&volume, &settings, &logs, image.position.offset, stop)
                    .await?;
            }
            tokio::fs::remove_dir_all(&replay).await?;
            rds.reached(record, Step::Replayed).await;
            rds.machine.adopt(&volume, &settings).await?;
        }
    }
    rds.reached(record, Step::Adopted).await;
    let live = rds.open(record).await?;
    if rds.is_unreachable(record) {
        let taken = format!("port {} of this machine is another program's", record.port);
        return Err(ServerError::Start(taken).into());
    }
    rds.reached(record, Step::Opened).await;
    provision::new_server(&live.front.database, record).await?;
    rds.reached(record, Step::Provisioned).await;
    made(rds, record, &[Happened::Created]).await?;
    rds.reached(record, Step::Available).await;
    // It is there: what comes now changes nothing of that.
    if let Err(error) = restore::release(rds, record).await {
        tracing::warn!(%error, name = record.name, "what a database was made from could not be let go");
    }
    if record.retention_days > 0
        && let Err(error) = back_up(rds, record).await
    {
        tracing::warn!(%error, name = record.name, "the first backup of a database failed; trying again later");
    }
    Ok(())
}

async fn fill(rds: &Rds, image: &Image, volume: &crate::server::Volume) -> Result<()> {
    let manifest = image::Manifest::read(&rds.blobs, &image.manifest).await?;
    image::restore(&rds.blobs, manifest, volume).await
}

async fn start(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        let live = rds.open(record).await?;
        let lease = live.front.database.lease();
        live.front.database.awake(&lease).await?;
    }
    settle(rds, record, Status::Available, &[Happened::Started]).await
}

async fn stop(rds: &Rds, record: &Record) -> Result<()> {
    if let Some(name) = &record.final_snapshot {
        snapshot(rds, record, name).await?;
        change(rds, record, |record| record.final_snapshot = None).await?;
    }
    if record.has_server() {
        rds.shut(record).await;
    }
    settle(rds, record, Status::Stopped, &[Happened::Stopped]).await
}

async fn reboot(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        let live = rds.open(record).await?;
        live.front.database.configure(rds.settings(record).await?);
        live.front.clear();
        live.front.database.rest().await?;
        let lease = live.front.database.lease();
        live.front.database.awake(&lease).await?;
    }
    settle(rds, record, Status::Available, &[Happened::Restarted]).await
}

async fn modify(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        if let Some(password) = &record.new_password {
            let live = rds.open(record).await?;
            let lease = live.front.database.lease();
            let running = live.front.database.awake(&lease).await?;
            provision::new_password(&running, record, password).await?;
        }
        // The endpoint may have another port, the server other limits.
        let was_open = rds.live(&record.resource).is_some();
        rds.shut(record).await;
        if was_open {
            rds.open(record).await?;
        }
    }
    let mut happened = vec![Happened::Modified];
    happened.extend(record.new_password.as_ref().map(|_| Happened::Password));
    made(rds, record, &happened).await
}

async fn delete(rds: &Rds, record: &Record) -> Result<()> {
    if let Some(name) = &record.final_snapshot {
        snapshot(rds, record, name).await?;
    }
    if record.has_server() {
        rds.shut(record).await;
        drop(rds.ports.take(record.port));
        let volume = rds.volume(&record.resource);
        tokio::task::spawn_blocking(move || volume.remove())
            .await
            .map_err(std::io::Error::other)??;
        for image in records::all::<Image>(&rds.store, keys::bases(&record.resource)).await? {
            drop_base(rds, &record.resource, &image).await?;
        }
        rds.archive(&record.resource, record.family()).trim(u64::MAX).await?;
        if let Err(error) = restore::release(rds, record).await {
            tracing::warn!(%error, name = record.name, "what a database was made from could not be let go");
        }
    }
    let key = keys::named(record.kind(), &record.scope, &record.name);
    let now = rds.now();
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
            events::note(&tx, record, &Happened::Deleted, now)?;
            Ok::<_, Error>(())
        })
        .await
}

async fn drop_base(rds: &Rds, resource: &str, image: &Image) -> Result<()> {
    take::forget(&rds.store, &rds.blobs, image).await?;
    let key = keys::base(resource, image.taken);
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
            Ok::<_, Error>(())
        })
        .await
}

/// Takes the snapshot that a record `creating` asks for.
pub(crate) async fn snapshot(rds: &Rds, of: &Record, name: &str) -> Result<()> {
    let kind = match of.is_cluster {
        true => Kind::ClusterSnapshot,
        false => Kind::Snapshot,
    };
    let key = keys::named(kind, &of.scope, name);
    let Some(record) = records::load::<SnapshotRecord>(&rds.store, &key).await? else {
        return Ok(());
    };
    if record.status != "creating" || record.image.is_some() {
        return Ok(());
    }
    let taken = match rds.opened(of) {
        Ok(live) => {
            let owner = format!("snapshot/{}/{}", record.of.resource, uuid::Uuid::new_v4());
            take::image(&live.front.database, &rds.blobs, &rds.store, &*rds.clock, &owner).await
        }
        Err(error) => Err(error),
    };
    let failed = taken.as_ref().err().map(ToString::to_string);
    let image = taken.ok();
    let now = rds.now();
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<SnapshotRecord>(&tx, &key).await?
                && record.status == "creating"
            {
                record.status = if image.is_some() { "available" } else { "failed" }.to_owned();
                if let Some(image) = &image {
                    record.original = image.taken;
                }
                record.image.clone_from(&image);
                if image.is_some() {
                    events::note_snapshot(&tx, &record, "created", now)?;
                }
                tx.put(&key, encode(&record)?)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    match failed {
        None => Ok(()),
        Some(reason) => Err(Error::Server(ServerError::Answer(format!(
            "the snapshot {name} failed: {reason}"
        )))),
    }
}

/// Goes on with the snapshots that were being taken, copied or removed when the platform ended.
pub(crate) async fn take_up_snapshots(rds: Arc<Rds>) {
    for kind in [Kind::Snapshot, Kind::ClusterSnapshot] {
        let all = records::all::<SnapshotRecord>(&rds.store, keys::everywhere(kind)).await;
        for record in all.unwrap_or_default() {
            let done = match (record.status.as_str(), &record.image) {
                ("creating", None) => snapshot(&rds, &record.of, &record.name).await,
                ("creating", Some(_)) => snapshots::finish_copy(&rds, &record).await,
                ("deleting", _) => snapshots::finish_removal(&rds, &record).await,
                _ => Ok(()),
            };
            if let Err(error) = done {
                let status = &record.status;
                tracing::error!(%error, name = record.name, status, "a snapshot could not be brought to its end");
            }
        }
    }
}

/// Takes an automatic backup and removes those past the retention.
pub(crate) async fn back_up(rds: &Rds, record: &Record) -> Result<()> {
    let live = rds.opened(record)?;
    change_noting(rds, record, &[Happened::BackupBegun], |_| true).await?;
    let owner = format!("base/{}/{}", record.resource, uuid::Uuid::new_v4());
    let image = take::image(&live.front.database, &rds.blobs, &rds.store, &*rds.clock, &owner).await?;
    let key = keys::base(&record.resource, image.taken);
    let now = rds.now();
    rds.store
        .transact(async |tx| {
            tx.put(&key, encode(&image)?)?;
            events::note(&tx, record, &Happened::BackedUp, now)?;
            Ok::<_, Error>(())
        })
        .await?;
    trim(rds, record).await
}

/// Keeps what any moment within the retention needs: its images, and the one before the first of them.
async fn trim(rds: &Rds, record: &Record) -> Result<()> {
    let day = i64::try_from(rds.options.day.as_millis()).unwrap_or(i64::MAX);
    let oldest = rds
        .now()
        .saturating_sub(day.saturating_mul(i64::from(record.retention_days)));
    let images = records::all::<Image>(&rds.store, keys::bases(&record.resource)).await?;
    // The last one that no moment is before; all without a retention.
    let first = match record.retention_days {
        0 => images.len(),
        _ => images.iter().rposition(|image| image.taken <= oldest).unwrap_or(0),
    };
    for image in &images[..first] {
        drop_base(rds, &record.resource, image).await?;
    }
    let archive = rds.archive(&record.resource, record.family());
    match images.get(first) {
        Some(image) => archive.trim(image.position.file).await,
        // Where the archive ends is where it goes on.
        None => match archive.end().await? {
            Some(end) if record.retention_days == 0 => archive.trim(end.file).await,
            _ => Ok(()),
        },
    }
}

/// Takes automatic backups of what has been used since the last one, and removes those past the retention.
pub(crate) async fn back_up_now_and_then(rds: Weak<Rds>, every: Duration) {
    loop {
        tokio::time::sleep(BACKUP_AGAIN.min(every)).await;
        let Some(rds) = rds.upgrade() else { return };
        let day = i64::try_from(rds.options.day.as_millis()).unwrap_or(i64::MAX);
        if let Err(error) = events::forget_old(&rds.store, rds.now(), day).await {
            tracing::warn!(%error, "old events of databases could not be forgotten; trying again later");
        }
        for kind in [Kind::Cluster, Kind::Instance] {
            let all = records::all::<Record>(&rds.store, keys::everywhere(kind)).await;
            for record in all.unwrap_or_default() {
                if record.has_server()
                    && let Err(error) = look_after(&rds, &record, every).await
                {
                    tracing::warn!(%error, name = record.name, "an automatic backup failed; trying again later");
                }
            }
        }
    }
}

async fn look_after(rds: &Rds, record: &Record, every: Duration) -> Result<()> {
    if !matches!(record.status, Status::Available | Status::Stopped) {
        return Ok(());
    }
    let images = records::all::<Image>(&rds.store, keys::bases(&record.resource)).await?;
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
    let is_due = images
        .last()
        .is_none_or(|last| last.taken.saturating_add(every) <= rds.now());
    if is_due
        && record.retention_days > 0
        && record.status == Status::Available
        && changed_since(rds, record, images.last()).await?
    {
        return back_up(rds, record).await;
    }
    trim(rds, record).await
}

/// Whether anything was written since the last backup: a database that sleeps is not woken for a backup of the same.
async fn changed_since(rds: &Rds, record: &Record, last: Option<&Image>) -> Result<bool> {
    let Some(last) = last else { return Ok(true) };
    let end = rds.archive(&record.resource, record.family()).end().await?;
    Ok(end.is_none_or(|end| end != last.position))
}

/// Archives logs as they grow, also those that a stopped server left.
pub(crate) async fn archive(
    database: Arc<Database>,
    archive: Archive,
    clock: Arc<dyn Clock>,
    every: Duration,
    until: Arc<Mutex<i64>>,
) {
    let mut is_complete = false;
    loop {
        let running = database.running();
        if running.is_some() || !is_complete {
            let started = clock.now().as_millis();
            match archive.catch_up(&database.volume, running.as_deref()).await {
                Ok(CaughtUp::Unknown) => {}
                Ok(caught) => {
                    *locked(&until) = started;
                    is_complete = running.is_none();
                    if let Some(running) = &running {
                        purge(running, caught).await;
                    }
                }
                // It was just stopped, or is.
                Err(_) if running.as_ref().is_some_and(|running| running.sandbox.exit().is_some()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the logs of a database could not be archived; trying again");
                    is_complete = false;
                }
            }
        } else {
            // Nothing is written while it sleeps.
            *locked(&until) = clock.now().as_millis();
        }
        tokio::time::sleep(every).await;
    }
}

/// Lets the server remove its own copies of what is archived.
async fn purge(running: &Running, caught: CaughtUp) {
    let purged = match caught {
        CaughtUp::Unknown | CaughtUp::Binlog(None) => return,
        CaughtUp::Binlog(Some(newest)) => {
            let sql = format!("PURGE BINARY LOGS TO {}", quoted(&crate::backup::binlog::name(newest)));
            let purging = async { running.admin().await?.run(&sql).await };
            purging.await.map_err(ServerError::from)
        }
        CaughtUp::Wal(end) => {
            let sql = format!(
                "SELECT pg_replication_slot_advance(slot_name, '{}') FROM pg_replication_slots \
                 WHERE slot_name = '{}' AND restart_lsn < '{0}'",
                end.text(),
                wal::SLOT
            );
            let purging = async { running.postgres_admin("postgres").await?.run(&sql).await };
            purging.await.map_err(ServerError::from)
        }
    };
    if let Err(error) = purged {
        tracing::debug!(%error, "archived logs could not be removed");
    }
}
