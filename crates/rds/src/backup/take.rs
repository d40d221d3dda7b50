//! Taking an image of a running database.

use super::binlog;
use super::image::{Copy, Image, Position, pack};
use super::wal::Lsn;
use crate::engines::Family;
use crate::server::{Database, Running};
use crate::{Error, Result, keys};
use danbi_blobs::{BlobId, Blobs};
use danbi_core::Clock;
use danbi_store::Store;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long commits may be held until statements under way let them be.
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Blobs that one transaction takes note of.
const BATCH: usize = 1000;

/// What a round of copying gave.
type Refreshed = Result<io::Result<Copy>, tokio::task::JoinError>;

/// Takes an image; `owner` is who keeps its blobs from being collected.
pub(crate) async fn image(
    database: &Database,
    blobs: &Blobs,
    store: &Store,
    clock: &dyn Clock,
    owner: &str,
) -> Result<Image> {
    let lease = database.lease();
    let running = database.awake(&lease).await?;
    let staging = database
        .volume
        .folder()
        .join(format!("staging-{}", owner.replace('/', "-")));
    let taken = copy(database, &running, clock, &staging).await;
    let stored = match taken {
        Ok((copied, position, taken)) => match copied.store(blobs, staging.clone()).await {
            Ok((manifest, bytes)) => {
                let id = blobs.put(pack(&serde_json::to_vec(&manifest)?)).await?;
                keep(store, &manifest.used(&id), owner).await.map(|()| Image {
                    manifest: id,
                    position,
                    taken,
                    bytes,
                    owner: owner.to_owned(),
                })
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = tokio::fs::remove_dir_all(&staging).await {
        tracing::warn!(%error, "the copy of a database could not be removed");
    }
    drop(lease);
    stored
}

async fn copy(
    database: &Database,
    running: &Running,
    clock: &dyn Clock,
    staging: &Path,
) -> Result<(Copy, Position, i64)> {
    // What an image that was interrupted left behind.
    let _ = tokio::fs::remove_dir_all(staging).await;
    let refresh = |mut copied: Copy| {
        let (volume, staging) = (database.volume.clone(), staging.to_owned());
        tokio::task::spawn_blocking(move || copied.refresh(&volume, &staging).map(|()| copied))
    };
    if database.family() == Family::Postgres {
        // So that a recovery has little to do, and the second round little to copy.
        let mut admin = running
            .postgres_admin("postgres")
            .await
            .map_err(crate::server::ServerError::from)?;
        admin
            .run("CHECKPOINT")
            .await
            .map_err(crate::server::ServerError::from)?;
    }
    let copied = refresh(Copy::default()).await.map_err(io::Error::other)??;
    match database.family() {
        Family::MariaDb => copy_mariadb(running, clock, copied, refresh).await,
        Family::Postgres => copy_postgres(running, clock, copied, refresh).await,
    }
}

/// Copies what has changed while the server stands still.
async fn copy_frozen<R: Future<Output = Refreshed>>(
    running: &Running,
    copied: Copy,
    refresh: impl Fn(Copy) -> R,
    frozen: impl FnOnce(),
) -> Result<Copy> {
    let failed = |error: danbi_sandbox::SandboxError| io::Error::other(error.to_string());
    running.sandbox.freeze().await.map_err(failed)?;
    frozen();
    // Whatever comes of the copy, the server goes on.
    let copied = refresh(copied).await;
    running.sandbox.thaw().await.map_err(failed)?;
    Ok(copied.map_err(io::Error::other)??)
}

/// The server recovers from what it has written at any moment; the log up to there is archived by itself.
async fn copy_postgres<R: Future<Output = Refreshed>>(
    running: &Running,
    clock: &dyn Clock,
    copied: Copy,
    refresh: impl Fn(Copy) -> R,
) -> Result<(Copy, Position, i64)> {
    let position = Lsn::of(running).await?.position();
    // No commit in the image is later.
    let mut taken = 0;
    let copied = copy_frozen(running, copied, refresh, || taken = clock.now().as_millis()).await?;
    Ok((copied, position, taken))
}

async fn copy_mariadb<R: Future<Output = Refreshed>>(
    running: &Running,
    clock: &dyn Clock,
    copied: Copy,
    refresh: impl Fn(Copy) -> R,
) -> Result<(Copy, Position, i64)> {
    let mut admin = running.admin().await.map_err(crate::server::ServerError::from)?;
    let staged = async {
        for sql in [
            "SET SESSION lock_wait_timeout = 60",
            // Archived logs before an image's first are removed with it.
            "FLUSH BINARY LOGS",
            "BACKUP STAGE START",
            "BACKUP STAGE FLUSH",
            "BACKUP STAGE BLOCK_DDL",
            "BACKUP STAGE BLOCK_COMMIT",
            // Else the last commit is in the binary log alone, which an image does not have, and recovery refuses it.
            "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS",
        ] {
            admin.run(sql).await?;
        }
        admin.query("SHOW MASTER STATUS").await
    };
    let status = match tokio::time::timeout(STAGE_TIMEOUT, staged).await {
        Ok(status) => status.map_err(crate::server::ServerError::from)?,
        Err(_) => return Err(crate::server::ServerError::TimedOut("holding commits for a backup").into()),
    };
    let text = |at: usize| {
        let value = status.rows.first()?.get(at)?.as_ref()?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let position = text(0).and_then(|name| {
        Some(Position {
            file: binlog::number(&name)?,
            offset: text(1)?.parse().ok()?,
        })
    });
    let position = position.ok_or_else(|| Error::Damaged("the server does not say where its log stands".to_owned()))?;
    let taken = clock.now().as_millis();
    let copied = copy_frozen(running, copied, refresh, || ()).await?;
    // Closing the connection ends the stage.
    drop(admin);
    Ok((copied, position, taken))
}

/// Takes note that `owner` needs `blobs`.
async fn keep(store: &Store, blobs: &[BlobId], owner: &str) -> Result<()> {
    for batch in blobs.chunks(BATCH) {
        store
            .transact(async |tx| {
                for id in batch {
                    tx.put(&keys::blob(id, owner), Vec::new())?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(())
}

/// Takes note that the owner of an image needs its blobs. May be done again.
pub(crate) async fn hold(store: &Store, blobs: &Blobs, image: &Image) -> Result<()> {
    let manifest = super::image::Manifest::read(blobs, &image.manifest).await?;
    keep(store, &manifest.used(&image.manifest), &image.owner).await
}

/// Forgets that the owner of an image needs its blobs.
pub(crate) async fn forget(store: &Store, blobs: &Blobs, image: &Image) -> Result<()> {
    let manifest = super::image::Manifest::read(blobs, &image.manifest).await?;
    for batch in manifest.used(&image.manifest).chunks(BATCH) {
        store
            .transact(async |tx| {
                for id in batch {
                    tx.delete(&keys::blob(id, &image.owner))?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(())
}
