//! What takes longer than a request: made once the record says so, and again after a crash.

use crate::backup::{Archive, Image, image, take};
use crate::keys::{self, Kind};
use crate::mysql::client::{literal, name as quoted_name, quoted};
use crate::rds::locked;
use crate::records::{self, Record, SnapshotRecord, Source, Status, encode};
use crate::server::{Database, ServerError};
use crate::{Error, Rds, Result};
use danbi_core::{Clock, Scope};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Retries of a backup that failed.
const BACKUP_AGAIN: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;

/// Does what the record's status says, as long as there is something to do.
pub(crate) async fn carry_out(rds: &Rds, kind: Kind, scope: &Scope, name: &str) {
    loop {
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
            Status::BackingUp => settle(rds, &record, Status::Available, None).await,
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
            if let Err(error) = settle(rds, &record, next, Some(error.to_string())).await {
                tracing::error!(%error, name, "and that could not be written down");
                return;
            }
        }
    }
}

/// Changes a record if its status is still what it was.
async fn settle(rds: &Rds, was: &Record, next: Status, reason: Option<String>) -> Result<()> {
    change(rds, was, |record| {
        if record.status == was.status {
            record.status = next;
            record.reason.clone_from(&reason);
        }
    })
    .await
}

async fn change(rds: &Rds, of: &Record, change: impl Fn(&mut Record) + Send + Sync) -> Result<()> {
    let key = keys::named(of.kind(), &of.scope, &of.name);
    let (key, change) = (&key, &change);
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<Record>(&tx, key).await?
                && record.resource == of.resource
            {
                change(&mut record);
                tx.put(key, encode(&record)?)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

async fn create(rds: &Rds, record: &Record) -> Result<()> {
    if !record.has_server() {
        return settle(rds, record, Status::Available, None).await;
    }
    let volume = rds.volume(&record.resource);
    let settings = rds.settings(record).await?;
    // What an attempt before a crash has left is of no use.
    let emptied = volume.clone();
    tokio::task::spawn_blocking(move || emptied.remove().and_then(|()| emptied.make()))
        .await
        .map_err(std::io::Error::other)??;
    match &record.source {
        Source::Nothing => rds.machine.initialise(&volume, settings.memory_bytes).await?,
        Source::Image(image) => restore(rds, image, &volume).await?,
        Source::Moment { image, resource, until } => {
            restore(rds, image, &volume).await?;
            let replay = volume.writable().join("replay");
            tokio::fs::create_dir_all(&replay).await?;
            let logs = rds.archive(resource).fetch(&image.position, &replay).await?;
            if !logs.is_empty() {
                let stop = until.map(|until| until + 1);
                rds.machine
                    .replay(&volume, &settings, &logs, image.position.offset, stop)
                    .await?;
            }
            tokio::fs::remove_dir_all(&replay).await?;
        }
    }
    let live = rds.open(record).await?;
    provision(&live.front.database, record).await?;
    settle(rds, record, Status::Available, None).await?;
    change(rds, record, |record| record.new_password = None).await?;
    if record.retention_days > 0 {
        back_up(rds, record).await?;
    }
    Ok(())
}

async fn restore(rds: &Rds, image: &Image, volume: &crate::server::Volume) -> Result<()> {
    let manifest = image::Manifest::read(&rds.blobs, &image.manifest).await?;
    image::restore(&rds.blobs, manifest, volume).await
}

/// Gives a new server its master user and its first database; each step may be done again.
async fn provision(database: &Database, record: &Record) -> Result<()> {
    let lease = database.lease();
    let running = database.awake(&lease).await?;
    let mut admin = running.admin().await.map_err(ServerError::from)?;
    let mut statements = Vec::new();
    if record.source == Source::Nothing {
        statements.extend(crate::server::launch::CLOSE_SQL.map(str::to_owned));
    }
    if let Some(password) = &record.new_password {
        statements.push("SET SESSION sql_log_bin = 1".to_owned());
        statements.extend(master_sql(&record.master, password));
    }
    if let (Some(name), Source::Nothing) = (&record.db_name, &record.source) {
        statements.push(format!("CREATE DATABASE IF NOT EXISTS {}", quoted_name(name)));
    }
    for sql in statements {
        admin.run(&sql).await.map_err(ServerError::from)?;
    }
    Ok(())
}

/// The master user as RDS has it: everything but the machine's files, other users' threads, and the server itself.
fn master_sql(user: &str, password: &str) -> [String; 2] {
    let account = format!("{}@'%'", quoted(user));
    [
        format!(
            "CREATE OR REPLACE USER {account} IDENTIFIED BY PASSWORD {}",
            quoted(password)
        ),
        format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, \
             CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE \
             USER, EVENT, TRIGGER ON *.* TO {account} WITH GRANT OPTION"
        ),
    ]
}

async fn start(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        let live = rds.open(record).await?;
        let lease = live.front.database.lease();
        live.front.database.awake(&lease).await?;
    }
    settle(rds, record, Status::Available, None).await
}

async fn stop(rds: &Rds, record: &Record) -> Result<()> {
    if let Some(name) = &record.final_snapshot {
        snapshot(rds, record, name).await?;
        change(rds, record, |record| record.final_snapshot = None).await?;
    }
    if record.has_server() {
        rds.shut(record).await;
    }
    settle(rds, record, Status::Stopped, None).await
}

async fn reboot(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        let live = rds.open(record).await?;
        live.front.database.configure(rds.settings(record).await?);
        live.front.pool.clear();
        live.front.database.rest().await?;
        let lease = live.front.database.lease();
        live.front.database.awake(&lease).await?;
    }
    settle(rds, record, Status::Available, None).await
}

async fn modify(rds: &Rds, record: &Record) -> Result<()> {
    if record.has_server() {
        if let Some(password) = &record.new_password {
            let live = rds.open(record).await?;
            let lease = live.front.database.lease();
            let running = live.front.database.awake(&lease).await?;
            let mut admin = running.admin().await.map_err(ServerError::from)?;
            let sql = format!(
                "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'mysql_native_password', \
                 '$.authentication_string', {}) WHERE User = {} AND Host = '%'",
                literal(password),
                literal(&record.master)
            );
            let changed = admin.query(&sql).await.map_err(ServerError::from)?;
            if changed.affected == 0 {
                // The master user was removed, or has this password already.
                for sql in master_sql(&record.master, password) {
                    admin.run(&sql).await.map_err(ServerError::from)?;
                }
            }
            admin.run("FLUSH PRIVILEGES").await.map_err(ServerError::from)?;
        }
        // The endpoint may have another port, the server other limits.
        let was_open = rds.live(&record.resource).is_some();
        rds.shut(record).await;
        if was_open {
            rds.open(record).await?;
        }
    }
    change(rds, record, |record| record.new_password = None).await?;
    settle(rds, record, Status::Available, None).await
}

async fn delete(rds: &Rds, record: &Record) -> Result<()> {
    if let Some(name) = &record.final_snapshot {
        snapshot(rds, record, name).await?;
    }
    if record.has_server() {
        rds.shut(record).await;
        let volume = rds.volume(&record.resource);
        tokio::task::spawn_blocking(move || volume.remove())
            .await
            .map_err(std::io::Error::other)??;
        for image in records::all::<Image>(&rds.store, keys::bases(&record.resource)).await? {
            drop_base(rds, &record.resource, &image).await?;
        }
        rds.archive(&record.resource).trim(u64::MAX).await?;
    }
    let key = keys::named(record.kind(), &record.scope, &record.name);
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
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
    if record.status != "creating" {
        return Ok(());
    }
    let live = rds.open(of).await?;
    let owner = format!("snapshot/{}/{}", record.of.resource, uuid::Uuid::new_v4());
    let taken = take::image(&live.front.database, &rds.blobs, &rds.store, &*rds.clock, &owner).await;
    let failed = taken.as_ref().err().map(ToString::to_string);
    let image = taken.ok();
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<SnapshotRecord>(&tx, &key).await? {
                record.status = if image.is_some() { "available" } else { "failed" }.to_owned();
                if let Some(image) = &image {
                    record.original = image.taken;
                }
                record.image.clone_from(&image);
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

/// Takes the snapshots that were under way when the platform ended.
pub(crate) async fn take_up_snapshots(rds: Arc<Rds>) {
    for kind in [Kind::Snapshot, Kind::ClusterSnapshot] {
        let all = records::all::<SnapshotRecord>(&rds.store, keys::everywhere(kind)).await;
        for record in all.unwrap_or_default() {
            if record.status == "creating"
                && let Err(error) = snapshot(&rds, &record.of, &record.name).await
            {
                tracing::error!(%error, name = record.name, "a snapshot could not be taken");
            }
        }
    }
}

/// Takes an automatic backup and removes those past the retention.
pub(crate) async fn back_up(rds: &Rds, record: &Record) -> Result<()> {
    let live = rds.open(record).await?;
    let owner = format!("base/{}/{}", record.resource, uuid::Uuid::new_v4());
    let image = take::image(&live.front.database, &rds.blobs, &rds.store, &*rds.clock, &owner).await?;
    let key = keys::base(&record.resource, image.taken);
    rds.store
        .transact(async |tx| {
            tx.put(&key, encode(&image)?)?;
            Ok::<_, Error>(())
        })
        .await?;
    let taken = image.taken;
    change(rds, record, |record| record.last_backup = Some(taken)).await?;
    trim(rds, record).await
}

/// Keeps what any moment within the retention needs: its images, and the one before the first of them.
async fn trim(rds: &Rds, record: &Record) -> Result<()> {
    let oldest = rds.now() - i64::from(record.retention_days) * DAY_MS;
    let images = records::all::<Image>(&rds.store, keys::bases(&record.resource)).await?;
    let mut kept = None;
    for pair in images.windows(2) {
        if pair[1].taken <= oldest {
            drop_base(rds, &record.resource, &pair[0]).await?;
        }
    }
    for image in &images {
        if kept.is_none() || image.taken <= oldest {
            kept = Some(image.position.file);
        }
    }
    match kept {
        Some(file) => rds.archive(&record.resource).trim(file).await,
        None => Ok(()),
    }
}

/// Takes automatic backups of what has been used since the last one.
pub(crate) async fn back_up_now_and_then(rds: Weak<Rds>, every: Duration) {
    let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep(BACKUP_AGAIN.min(every)).await;
        let Some(rds) = rds.upgrade() else { return };
        for kind in [Kind::Cluster, Kind::Instance] {
            let all = records::all::<Record>(&rds.store, keys::everywhere(kind)).await;
            for record in all.unwrap_or_default() {
                let due = record
                    .last_backup
                    .is_none_or(|last| last.saturating_add(every_ms) <= rds.now());
                let wanted = record.has_server() && record.status == Status::Available && record.retention_days > 0;
                if due
                    && wanted
                    && changed_since(&rds, &record).await
                    && let Err(error) = back_up(&rds, &record).await
                {
                    tracing::warn!(%error, name = record.name, "an automatic backup failed; trying again later");
                }
            }
        }
    }
}

/// Whether anything was written since the last backup: a database that sleeps is not woken for a backup of the same.
async fn changed_since(rds: &Rds, record: &Record) -> bool {
    let images = records::all::<Image>(&rds.store, keys::bases(&record.resource)).await;
    let end = rds.archive(&record.resource).end().await;
    match (images.unwrap_or_default().pop(), end) {
        (Some(last), Ok(Some(end))) => end != last.position,
        _ => true,
    }
}

/// Archives binary logs as they grow, also those that a stopped server left.
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
            match archive.catch_up(&database.volume).await {
                Ok(newest) => {
                    *locked(&until) = started;
                    is_complete = running.is_none();
                    if let (Some(running), Some(newest)) = (&running, newest) {
                        purge(running, newest).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "binary logs could not be archived; trying again");
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

/// Removes the server's own copies of logs that are archived.
async fn purge(running: &crate::server::Running, newest: u64) {
    let sql = format!("PURGE BINARY LOGS TO {}", quoted(&crate::backup::binlog::name(newest)));
    let purged = match running.admin().await {
        Ok(mut admin) => admin.run(&sql).await,
        Err(error) => Err(error),
    };
    if let Err(error) = purged {
        tracing::debug!(%error, "archived binary logs could not be removed");
    }
}
