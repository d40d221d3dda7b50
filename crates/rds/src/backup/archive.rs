//! Binary logs on their way to the blobs, and from there into a restored database.

use super::binlog::{self, events, number};
use super::image::{Position, pack, unpack};
use crate::records::{decode, encode, page};
use crate::server::Volume;
use crate::server::volume::{entries, open_plain};
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

/// The archive of one database.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    /// The database's resource id.
    pub(crate) resource: String,
}

impl Archive {
    /// Up to where the logs are archived.
    pub(crate) async fn end(&self) -> Result<Option<Position>> {
        let snapshot = self.store.snapshot().await?;
        let last = snapshot
            .scan(keys::logs(&self.resource), danbi_store::Direction::Reverse, 1)
            .await?;
        let Some((key, value)) = last.entries.first() else {
            return Ok(None);
        };
        let (file, _) = place(key)?;
        let segment: Segment = decode(value)?;
        Ok(Some(Position {
            file,
            offset: segment.to,
        }))
    }

    /// Archives what the server has written since. Says which log is the newest if there are older ones.
    pub(crate) async fn catch_up(&self, volume: &Volume) -> Result<Option<u64>> {
        let folder = volume.open("binlog")?;
        let mut files: Vec<u64> = entries(&folder)?.iter().filter_map(|name| number(name)).collect();
        files.sort_unstable();
        let mut at = self.end().await?;
        for file in &files {
            let mut offset = match &at {
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
                self.add(*file, offset, &segment).await?;
                offset = segment.to;
            }
            at = Some(Position { file: *file, offset });
        }
        Ok(files.last().copied().filter(|_| files.len() > 1))
    }

    async fn add(&self, file: u64, from: u64, segment: &Segment) -> Result<()> {
        let key = keys::log(&self.resource, file, from);
        let owner = format!("log/{}/{file}/{from}", self.resource);
        self.store
            .transact(async |tx| {
                tx.put(&keys::blob(&segment.blob, &owner), Vec::new())?;
                tx.put(&key, encode(segment)?)?;
                Ok::<_, Error>(())
            })
            .await
    }

    /// Writes the archived logs from `start` on into `folder`; answers their names.
    pub(crate) async fn fetch(&self, start: &Position, folder: &Path) -> Result<Vec<String>> {
        let mut range = keys::logs_from(&self.resource, start.file);
        let mut names: Vec<String> = Vec::new();
        let mut file: Option<(u64, tokio::fs::File)> = None;
        loop {
            let found = page(&self.store, &range).await?;
            for (key, value) in &found.entries {
                let (number, _) = place(key)?;
                let segment: Segment = decode(value)?;
                let bytes = unpack(&self.blobs.get(&segment.blob).await?)?;
                let mut log = match file.take() {
                    Some((same, log)) if same == number => log,
                    _ => {
                        names.push(binlog::name(number));
                        tokio::fs::File::create(folder.join(binlog::name(number))).await?
                    }
                };
                tokio::io::AsyncWriteExt::write_all(&mut log, &bytes).await?;
                tokio::io::AsyncWriteExt::flush(&mut log).await?;
                file = Some((number, log));
            }
            match found.entries.last() {
                Some((last, _)) if found.more => range = range.after(last),
                _ => return Ok(names),
            }
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
        assert_eq!(archive.catch_up(&volume).await.unwrap(), None);
        first.extend(event(2));
        let mut growing = first.clone();
        growing.extend(&event(3)[..10]);
        std::fs::write(logs.join("log.000001"), &growing).unwrap();
        archive.catch_up(&volume).await.unwrap();
        assert_eq!(archive.end().await.unwrap(), Some(Position { file: 1, offset: 44 }));
        let mut second = binlog::MAGIC.to_vec();
        second.extend(event(4));
        std::fs::write(logs.join("log.000002"), &second).unwrap();
        assert_eq!(archive.catch_up(&volume).await.unwrap(), Some(2));

        let into = folder.path().join("replay");
        std::fs::create_dir(&into).unwrap();
        let start = Position { file: 1, offset: 4 };
        assert_eq!(
            archive.fetch(&start, &into).await.unwrap(),
            ["log.000001", "log.000002"]
        );
        assert!(std::fs::read(into.join("log.000001")).unwrap() == first);
        assert!(std::fs::read(into.join("log.000002")).unwrap() == second);
        archive.trim(2).await.unwrap();
        let start = Position { file: 0, offset: 4 };
        assert_eq!(archive.fetch(&start, &into).await.unwrap(), ["log.000002"]);
    }
}
