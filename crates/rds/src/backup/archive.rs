//! Logs on their way to the blobs, and from there into a restored database.

use super::binlog::{self, events, number};
use super::image::{Position, pack, unpack};
use super::wal::{self, Lsn};
use crate::engines::Family;
use crate::records::{decode, encode, page};
use crate::server::volume::{entries, open_plain};
use crate::server::{Running, Volume};
use crate::{Error, Result, keys};
use danbi_blobs::{BlobId, Blobs};
use danbi_store::Store;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The most that is stored at a time; a larger event is a piece of its own.
const PIECE: usize = 8 << 20;
/// The largest event: what the largest packet of a client can become.
const MAX_EVENT: usize = (1 << 30) + (64 << 20);

/// An archived piece of a log; its place is its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) blob: BlobId,
    /// The first byte of the log that is not in it.
    pub(crate) to: u64,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
}

/// Up to where the logs of a database are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// All binary logs; the number of the newest if there are older ones.
    Binlog(Option<u64>),
    /// The write-ahead log.
    Wal(Lsn),
    /// Where the log ends is known only when the server runs again.
    Unknown,
}

/// How an attempt to archive all there is ended.
enum Attempt {
    Done(CaughtUp),
    /// Somebody else archives the same logs at this moment.
    Overtaken,
}

/// The archive of one database.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    /// The database's resource id.
    pub(crate) resource: String,
    pub(crate) family: Family,
}

impl Archive {
    /// Up to where the logs are archived.
    pub(crate) async fn end(&self) -> Result<Option<Position>> {
        let snapshot = self.store.snapshot().await?;
        let last = snapshot
            .scan(keys::logs(&self.resource), danbi_store::Direction::Reverse, 1)
            .await?;
        last.entries.first().map(end_of).transpose()
    }

    /// Archives what the server has written since; `running` is it, unless it sleeps.
    pub(crate) async fn catch_up(&self, volume: &Volume, running: Option<&Running>) -> Result<CaughtUp> {
        loop {
            let attempt = match self.family {
                Family::MariaDb => self.follow_binlog(volume).await?,
                Family::Postgres => match running {
                    Some(running) => self.follow_wal(volume, Lsn::of(running).await?).await?,
                    None => {
                        let stopped = volume.clone();
                        let reading = tokio::task::spawn_blocking(move || Lsn::of_stopped(&stopped));
                        match reading.await.map_err(io::Error::other)?? {
                            Some(end) => self.follow_wal(volume, end).await?,
                            None => Attempt::Done(CaughtUp::Unknown),
                        }
                    }
                },
            };
            if let Attempt::Done(caught) = attempt {
                return Ok(caught);
            }
        }
    }

    async fn follow_wal(&self, volume: &Volume, end: Lsn) -> Result<Attempt> {
        let to = end.position();
        let mut before = self.end().await?;
        let beginning = Position {
            file: to.file,
            offset: 0,
        };
        let goes_on = before.filter(|at| wal::timeline(*at) == wal::timeline(to));
        let mut at = goes_on.map_or(beginning, wal::normal);
        while at < to {
            let stop = if at.file == to.file { to.offset } else { wal::SEGMENT };
            let length = (stop - at.offset).min(PIECE as u64);
            let (from, read) = (at, volume.clone());
            let reading = tokio::task::spawn_blocking(move || wal::read(&read, from, length));
            let bytes = reading.await.map_err(io::Error::other)??;
            let segment = Segment {
                blob: self.blobs.put(pack(&bytes)).await?,
                to: at.offset + length,
                first: None,
                last: None,
            };
            if !self.add(before, at.file, at.offset, &segment).await? {
                return Ok(Attempt::Overtaken);
            }
            let reached = Position {
                file: at.file,
                offset: segment.to,
            };
            before = Some(reached);
            at = wal::normal(reached);
        }
        Ok(Attempt::Done(CaughtUp::Wal(end)))
    }

    async fn follow_binlog(&self, volume: &Volume) -> Result<Attempt> {
        let folder = volume.open("binlog")?;
        let mut files: Vec<u64> = entries(&folder)?.iter().filter_map(|name| number(name)).collect();
        files.sort_unstable();
        let mut end = self.end().await?;
        for file in &files {
            let mut offset = match &end {
                Some(end) if end.file > *file => continue,
                Some(end) if end.file == *file => end.offset,
                _ => 0,
            };
            while let Some((bytes, found)) = {
                let opened = open_plain(&folder, &binlog::name(*file))?;
                tokio::task::spawn_blocking(move || read_events(opened, offset))
                    .await
                    .map_err(io::Error::other)??
            } {
                let segment = Segment {
                    blob: self.blobs.put(pack(&bytes)).await?,
                    to: offset + bytes.len() as u64,
                    first: found.first,
                    last: found.last,
                };
                if !self.add(end, *file, offset, &segment).await? {
                    return Ok(Attempt::Overtaken);
                }
                offset = segment.to;
                end = Some(Position { file: *file, offset });
            }
        }
        let newest = files.last().copied().filter(|_| files.len() > 1);
        Ok(Attempt::Done(CaughtUp::Binlog(newest)))
    }

    /// Adds a piece if the archive still ends where it did; else a piece could hide a part of another.
    async fn add(&self, before: Option<Position>, file: u64, from: u64, segment: &Segment) -> Result<bool> {
        let key = keys::log(&self.resource, file, from);
        let owner = format!("log/{}/{file}/{from}", self.resource);
        let before = &before;
        self.store
            .transact(async |tx| {
                let last = tx
                    .scan(keys::logs(&self.resource), danbi_store::Direction::Reverse, 1)
                    .await?;
                if last.entries.first().map(end_of).transpose()? != *before {
                    return Ok(false);
                }
                tx.put(&keys::blob(&segment.blob, &owner), Vec::new())?;
                tx.put(&key, encode(segment)?)?;
                Ok::<_, Error>(true)
            })
            .await
    }

    /// Writes the archived logs from `start` on into `folder`; answers their names and where they end.
    pub(crate) async fn fetch(&self, start: &Position, folder: &Path) -> Result<(Vec<String>, Option<Position>)> {
        let mut range = keys::logs_from(&self.resource, start.file);
        let mut names: Vec<String> = Vec::new();
        let mut file: Option<(u64, tokio::fs::File)> = None;
        let mut end = None;
        loop {
            let found = page(&self.store, &range).await?;
            for entry in &found.entries {
                let (number, from) = place(&entry.0)?;
                let segment: Segment = decode(&entry.1)?;
                let bytes = unpack(&self.blobs.get(&segment.blob).await?)?;
                let mut log = match file.take() {
                    Some((same, log)) if same == number => log,
                    _ => {
                        let name = self.name(number);
                        let log = tokio::fs::File::create(folder.join(&name)).await?;
                        if self.family == Family::Postgres {
                            // What is not there yet is zeros, at which a recovery ends.
                            log.set_len(wal::SEGMENT).await?;
                        }
                        names.push(name);
                        log
                    }
                };
                tokio::io::AsyncSeekExt::seek(&mut log, SeekFrom::Start(from)).await?;
                tokio::io::AsyncWriteExt::write_all(&mut log, &bytes).await?;
                tokio::io::AsyncWriteExt::flush(&mut log).await?;
                file = Some((number, log));
                end = Some(end_of(entry)?);
            }
            match found.entries.last() {
                Some((last, _)) if found.more => range = range.after(last),
                _ => return Ok((names, end)),
            }
        }
    }

    fn name(&self, number: u64) -> String {
        match self.family {
            Family::MariaDb => binlog::name(number),
            Family::Postgres => wal::name(number),
        }
    }

    /// Removes logs before number `keep`.
    pub(crate) async fn trim(&self, keep: u64) -> Result<()> {
        loop {
            let found = page(&self.store, &keys::logs(&self.resource)).await?;
            let mut old = Vec::new();
            for (key, value) in &found.entries {
                let (file, from) = place(key)?;
                if file < keep {
                    old.push((file, from, decode::<Segment>(value)?.blob));
                }
            }
            if old.is_empty() {
                return Ok(());
            }
            self.store
                .transact(async |tx| {
                    for (file, from, blob) in &old {
                        tx.delete(&keys::blob(blob, &format!("log/{}/{file}/{from}", self.resource)))?;
                        tx.delete(&keys::log(&self.resource, *file, *from))?;
                    }
                    Ok::<_, Error>(())
                })
                .await?;
        }
    }
}

/// Where a piece ends.
fn end_of((key, value): &(bytes::Bytes, bytes::Bytes)) -> Result<Position> {
    let (file, _) = place(key)?;
    let segment: Segment = decode(value)?;
    Ok(Position {
        file,
        offset: segment.to,
    })
}

/// File and offset of a segment by its key.
fn place(key: &[u8]) -> Result<(u64, u64)> {
    let mut reader = danbi_store::key::KeyReader::new(key);
    for _ in 0..3 {
        reader.str()?;
    }
    Ok((reader.u64()?, reader.u64()?))
}

/// The whole events of a log from `offset` on, as many as make a piece; `None` when there is none.
fn read_events(file: Option<std::fs::File>, offset: u64) -> io::Result<Option<(Vec<u8>, binlog::Events)>> {
    let Some(mut file) = file else {
        return Ok(None);
    };
    let mut limit = PIECE;
    loop {
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut file).take(limit as u64).read_to_end(&mut bytes)?;
        let Some(found) = events(&bytes, offset == 0) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a binary log is damaged"));
        };
        match found.wanted {
            Some(wanted) if found.length == 0 && bytes.len() == limit && wanted <= MAX_EVENT => limit = wanted,
            _ if found.length == 0 => return Ok(None),
            _ => {
                bytes.truncate(found.length);
                return Ok(Some((bytes, found)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_store::EmbeddedOptions;

    #[tokio::test]
    async fn logs_are_archived_as_they_grow_and_come_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let archive = Archive {
            store,
            blobs: Blobs::open(&folder.path().join("blobs")).await.unwrap(),
            resource: "db-1".to_owned(),
            family: Family::MariaDb,
        };
        let volume = Volume::at(folder.path().join("db"));
        volume.make().unwrap();
        let event = |seconds: u8| {
            let mut event = vec![seconds, 0, 0, 0, 2, 1, 0, 0, 0, 20, 0, 0, 0];
            event.resize(20, seconds);
            event
        };
        let logs = volume.writable().join("binlog");
        let mut first = binlog::MAGIC.to_vec();
        first.extend(event(1));
        std::fs::write(logs.join("log.index"), "x").unwrap();
        std::fs::write(logs.join("log.000001"), &first).unwrap();
        assert_eq!(archive.catch_up(&volume, None).await.unwrap(), CaughtUp::Binlog(None));
        first.extend(event(2));
        let mut growing = first.clone();
        growing.extend(&event(3)[..10]);
        std::fs::write(logs.join("log.000001"), &growing).unwrap();
        archive.catch_up(&volume, None).await.unwrap();
        assert_eq!(archive.end().await.unwrap(), Some(Position { file: 1, offset: 44 }));
        let mut second = binlog::MAGIC.to_vec();
        second.extend(event(4));
        std::fs::write(logs.join("log.000002"), &second).unwrap();
        assert_eq!(
            archive.catch_up(&volume, None).await.unwrap(),
            CaughtUp::Binlog(Some(2))
        );

        let into = folder.path().join("replay");
        std::fs::create_dir(&into).unwrap();
        let start = Position { file: 1, offset: 4 };
        let (names, end) = archive.fetch(&start, &into).await.unwrap();
        assert_eq!(names, ["log.000001", "log.000002"]);
        assert_eq!(end, Some(Position { file: 2, offset: 24 }));
        assert!(std::fs::read(into.join("log.000001")).unwrap() == first);
        assert!(std::fs::read(into.join("log.000002")).unwrap() == second);
        archive.trim(2).await.unwrap();
        let start = Position { file: 0, offset: 4 };
        assert_eq!(archive.fetch(&start, &into).await.unwrap().0, ["log.000002"]);
    }

    #[tokio::test]
    async fn the_write_ahead_log_is_archived_up_to_where_it_is_known_to_be_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
        let archive = Archive {
            store,
            blobs: Blobs::open(&folder.path().join("blobs")).await.unwrap(),
            resource: "db-1".to_owned(),
            family: Family::Postgres,
        };
        let volume = Volume::at(folder.path().join("db"));
        volume.make().unwrap();
        assert_eq!(archive.catch_up(&volume, None).await.unwrap(), CaughtUp::Unknown);
        let wal = volume.writable().join("data/pg_wal");
        std::fs::create_dir(&wal).unwrap();
        let segment = usize::try_from(wal::SEGMENT).unwrap();
        std::fs::write(wal.join(wal::name(1 << 40 | 2)), vec![2; segment]).unwrap();
        std::fs::write(wal.join(wal::name(1 << 40 | 3)), vec![3; segment]).unwrap();
        let at = |at| Lsn { timeline: 1, at };
        archive.follow_wal(&volume, at(2 * wal::SEGMENT + 100)).await.unwrap();
        archive.follow_wal(&volume, at(2 * wal::SEGMENT + 90)).await.unwrap();
        archive.follow_wal(&volume, at(3 * wal::SEGMENT + 50)).await.unwrap();
        let end = at(3 * wal::SEGMENT + 50).position();
        assert_eq!(archive.end().await.unwrap(), Some(end));
        assert!(archive.follow_wal(&volume, at(4 * wal::SEGMENT + 50)).await.is_err());

        let into = folder.path().join("replay");
        std::fs::create_dir(&into).unwrap();
        let (names, reached) = archive.fetch(&at(2 * wal::SEGMENT).position(), &into).await.unwrap();
        assert_eq!((names.len(), reached.unwrap().file), (2, end.file));
        assert!(std::fs::read(into.join(&names[0])).unwrap() == vec![2; segment]);
        let last = std::fs::read(into.join(&names[1])).unwrap();
        assert!(last.starts_with(&[3; 50]));
    }
}
