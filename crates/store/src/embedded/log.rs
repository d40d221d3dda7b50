//! The write-ahead log: numbered segments of checksummed records, synced once for each group of commits.
//!
//! A segment begins with a header that names its number and the first record it may hold; records follow, each with
//! its place in the order and the newest place that was on disk when it was written. Retired segments are reused under
//! a new number, so that a sync need not grow a file; checksums are seeded with the number, so that nothing of the
//! former life can pass for a record.
//!
//! Reading back stops at the first record that is not whole. If anything behind it says that the missing place had
//! been on disk already, this is damage and not the torn end of an interrupted write: the log refuses to open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::folder::sync_dir;
use super::tree::Batch;
use crate::StoreError;

const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"danbilog");
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"drec");
const HEADER_BYTES: usize = 32;
/// Extension of a retired segment that waits to be written over.
const SPARE: &str = "spare";
/// Length that stands for a deleted key.
const DELETED: u32 = u32::MAX;

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    file: File,
    segment: u64,
    offset: u64,
    /// Where a segment is full; a record that begins before may end behind.
    segment_bytes: u64,
    /// Place of the next record.
    next: u64,
    /// Place of the newest record on disk.
    synced: u64,
    /// Whether the name of the segment is on disk.
    named: bool,
    buffer: Vec<u8>,
}

/// What the folder held when it was opened.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) log: Log,
    /// Segments that hold what was replayed; to be retired once that is in tables.
    pub(crate) segments: Vec<u64>,
}

impl Log {
    /// Opens the log in `dir` and hands every record to `replay`, oldest first.
    pub(crate) fn open(dir: &Path, segment_bytes: u64, mut replay: impl FnMut(Batch)) -> Result<Recovered, StoreError> {
        fs::create_dir_all(dir)?;
        let mut segments = list(dir)?;
        remove_spares(dir)?;
        let mut next = None;
        for (index, &segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            let data = read_written(&path(dir, segment))?;
            let reader = SegmentReader { segment, data: &data };
            let Some(first) = reader.first_place() else {
                let mut records = reader.records_from(0).peekable();
                let expected = next.or(records.peek().map(|record| record.place)).unwrap_or(0);
                if !last || records.any(|record| record.synced >= expected) {
                    return Err(damage(dir, segment, "its header is damaged"));
                }
                // The crash came before anything in it was synced.
                segments.pop();
                break;
            };
            let mut place = match next {
                Some(expected) if expected != first => {
                    return Err(damage(
                        dir,
                        segment,
                        &format!("it begins at {first}, expected {expected}"),
                    ));
                }
                _ => first,
            };
            let mut offset = HEADER_BYTES;
            while let Some(record) = reader.record_at(offset).filter(|record| record.place == place) {
                replay(
                    record
                        .batch()
                        .ok_or_else(|| damage(dir, segment, "a record does not decode"))?,
                );
                offset = record.end;
                place += 1;
            }
            if let Some(later) = reader.records_from(offset).find(|record| record.synced >= place) {
                let detail = format!("record {place} is missing, but {} says it was on disk", later.place);
                return Err(damage(dir, segment, &detail));
            }
            next = Some(place);
        }
        let next = next.unwrap_or(1);
        let segment = segments.last().copied().unwrap_or(0) + 1;
        let file = create(dir, segment_bytes, segment, next, None)?;
        let log = Self {
            dir: dir.to_path_buf(),
            file,
            segment,
            segment_bytes,
            offset: HEADER_BYTES as u64,
            next,
            synced: next - 1,
            named: false,
            buffer: Vec::new(),
        };
        Ok(Recovered { log, segments })
    }

    /// Writes one record; on disk with the next [`Log::sync`].
    pub(crate) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        self.buffer.clear();
        encode(&mut self.buffer, self.segment, self.next, self.synced, batch)?;
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.next += 1;
        if self.buffer.capacity() > 1 << 20 {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Puts everything appended so far on disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.named {
            self.file.sync_data()?;
        } else {
            self.file.sync_all()?;
            sync_dir(&self.dir)?;
            self.named = true;
        }
        self.synced = self.next - 1;
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.offset >= self.segment_bytes
    }

    /// Syncs and seals the segment and begins another one, in the file of a retired segment if there is one.
    /// The number of the sealed segment.
    pub(crate) fn rotate(&mut self, spare: Option<PathBuf>) -> io::Result<u64> {
        self.sync()?;
        let sealed = self.segment;
        self.file = create(&self.dir, self.segment_bytes, sealed + 1, self.next, spare)?;
        self.segment = sealed + 1;
        self.named = false;
        self.offset = HEADER_BYTES as u64;
        Ok(sealed)
    }
}

/// Takes a segment whose records are all in tables out of the log; what is left is a spare file.
pub(crate) fn retire(dir: &Path, segment: u64, keep: bool) -> io::Result<Option<PathBuf>> {
    let retired = path(dir, segment);
    let spare = retired.with_extension(SPARE);
    let kept = if keep {
        fs::rename(&retired, &spare)?;
        Some(spare)
    } else {
        fs::remove_file(retired)?;
        None
    };
    // Older segments must be gone before younger ones, or the rest would look as if its beginning were lost.
    sync_dir(dir)?;
    Ok(kept)
}

/// What was written into the file: without the end that was only reserved, where the file system can tell.
fn read_written(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut end = 0;
    loop {
        match seek(&file, SeekFrom::Data(end)).and_then(|data| seek(&file, SeekFrom::Hole(data))) {
            Ok(hole) => end = hole,
            Err(Errno::NXIO) => break,
            Err(_) => end = file.metadata()?.len(),
        }
        if end >= file.metadata()?.len() {
            break;
        }
    }
    seek(&file, SeekFrom::Start(0))?;
    let mut data = Vec::with_capacity(end as usize);
    file.by_ref().take(end).read_to_end(&mut data)?;
    Ok(data)
}

fn create(dir: &Path, bytes: u64, segment: u64, first: u64, spare: Option<PathBuf>) -> io::Result<File> {
    let name = path(dir, segment);
    if let Some(spare) = spare {
        fs::rename(spare, &name)?;
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)?;
    let length = file.metadata()?.len();
    if length < bytes {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    }
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&SEGMENT_MAGIC.to_le_bytes());
    header.extend_from_slice(&segment.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&xxh3_64_with_seed(&header, segment).to_le_bytes());
    file.write_all_at(&header, 0)?;
    Ok(file)
}

fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:012}.log"))
}

/// The numbers of the segments in `dir`, in order.
fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        segments.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Removes what a former process meant to write over.
fn remove_spares(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == SPARE) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn damage(dir: &Path, segment: u64, detail: &str) -> StoreError {
    StoreError::Corrupt(format!("log segment {}: {detail}", path(dir, segment).display()))
}

fn encode(into: &mut Vec<u8>, segment: u64, place: u64, synced: u64, batch: &Batch) -> io::Result<()> {
    into.resize(HEADER_BYTES, 0);
    for (key, value) in batch {
        into.extend_from_slice(&length(key.len())?.to_le_bytes());
        into.extend_from_slice(
            &value
                .as_ref()
                .map_or(Ok(DELETED), |value| length(value.len()))?
                .to_le_bytes(),
        );
        into.extend_from_slice(key);
        into.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let body = length(into.len() - HEADER_BYTES)?;
    // Records begin at multiples of eight, so that looking for one behind a damaged place has few places to try.
    into.resize(into.len().next_multiple_of(8), 0);
    into[0..4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
    into[4..8].copy_from_slice(&body.to_le_bytes());
    into[8..16].copy_from_slice(&place.to_le_bytes());
    into[16..24].copy_from_slice(&synced.to_le_bytes());
    let checksum = checksum(segment, &into[..24], &into[HEADER_BYTES..HEADER_BYTES + body as usize]);
    into[24..32].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

fn length(bytes: usize) -> io::Result<u32> {
    let length = u32::try_from(bytes).ok().filter(|&length| length != DELETED);
    length.ok_or_else(|| io::Error::other("a group of commits does not fit into one log record"))
}

fn checksum(segment: u64, header: &[u8], body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, xxh3_64_with_seed(header, segment))
}

struct SegmentReader<'d> {
    segment: u64,
    data: &'d [u8],
}

struct Record<'d> {
    place: u64,
    synced: u64,
    body: &'d [u8],
    end: usize,
}

impl<'d> SegmentReader<'d> {
    /// The place of the first record, if the header is whole.
    fn first_place(&self) -> Option<u64> {
        let header = self.data.get(..HEADER_BYTES)?;
        let whole = word(header, 0)? == SEGMENT_MAGIC
            && word(header, 8)? == self.segment
            && word(header, 24)? == xxh3_64_with_seed(&header[..24], self.segment);
        whole.then(|| word(header, 16))?
    }

    /// The record that begins at `offset`, if it is whole.
    fn record_at(&self, offset: usize) -> Option<Record<'d>> {
        let header = self.data.get(offset..offset.checked_add(HEADER_BYTES)?)?;
        let (magic, body) = header[..8].split_at(4);
        if magic != RECORD_MAGIC.to_le_bytes() {
            return None;
        }
        let start = offset + HEADER_BYTES;
        let length = u32::from_le_bytes(body.try_into().ok()?) as usize;
        let body = self.data.get(start..start.checked_add(length)?)?;
        let record = Record {
            place: word(header, 8)?,
            synced: word(header, 16)?,
            body,
            end: (start + length).next_multiple_of(8),
        };
        (word(header, 24)? == checksum(self.segment, &header[..24], body)).then_some(record)
    }

    /// Every whole record that begins at `offset` or behind.
    fn records_from(&self, offset: usize) -> impl Iterator<Item = Record<'d>> {
        (offset.next_multiple_of(8)..self.data.len())
            .step_by(8)
            .filter_map(|offset| self.record_at(offset))
    }
}

impl Record<'_> {
    fn batch(&self) -> Option<Batch> {
        let mut batch = Batch::new();
        let mut rest = self.body;
        while !rest.is_empty() {
            let (lengths, content) = rest.split_at_checked(8)?;
            let key = u32::from_le_bytes(lengths[..4].try_into().ok()?) as usize;
            let value = u32::from_le_bytes(lengths[4..].try_into().ok()?);
            let (key, content) = content.split_at_checked(key)?;
            let (value, content) = match value {
                DELETED => (None, content),
                length => {
                    let (value, content) = content.split_at_checked(length as usize)?;
                    (Some(Bytes::copy_from_slice(value)), content)
                }
            };
            batch.insert(Bytes::copy_from_slice(key), value);
            rest = content;
        }
        Some(batch)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 64 << 10;

    fn batch(number: u64) -> Batch {
        let value = (!number.is_multiple_of(7)).then(|| Bytes::from(vec![number as u8; number as usize % 50]));
        Batch::from([(Bytes::from(number.to_be_bytes().to_vec()), value)])
    }

    fn open(dir: &Path) -> Result<(Log, Vec<u64>, Vec<Batch>), StoreError> {
        let mut replayed = Vec::new();
        let Recovered { log, segments } = Log::open(dir, BYTES, |batch| replayed.push(batch))?;
        Ok((log, segments, replayed))
    }

    fn append(log: &mut Log, numbers: std::ops::RangeInclusive<u64>) {
        numbers.for_each(|number| log.append(&batch(number)).unwrap());
    }

    fn expect(dir: &Path, newest: u64) -> Log {
        let (log, _, replayed) = open(dir).unwrap();
        assert_eq!(replayed, (1..=newest).map(batch).collect::<Vec<_>>());
        log
    }

    fn flip(dir: &Path, segment: u64, offset: usize) {
        let mut bytes = fs::read(path(dir, segment)).unwrap();
        bytes[offset] ^= 1;
        fs::write(path(dir, segment), bytes).unwrap();
    }

    #[test]
    fn records_come_back_in_order_over_many_lives() {
        let dir = tempfile::tempdir().unwrap();
        for life in 0..5 {
            let mut log = expect(dir.path(), life * 20);
            append(&mut log, life * 20 + 1..=life * 20 + 10);
            log.rotate(None).unwrap();
            append(&mut log, life * 20 + 11..=life * 20 + 20);
        }
        expect(dir.path(), 100);
    }

    #[test]
    fn a_lost_segment_in_the_middle_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, ..) = open(dir.path()).unwrap();
        append(&mut log, 1..=10);
        log.rotate(None).unwrap();
        append(&mut log, 11..=20);
        log.rotate(None).unwrap();
        append(&mut log, 21..=30);
        fs::remove_file(path(dir.path(), 2)).unwrap();
        assert!(matches!(open(dir.path()), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn what_was_not_synced_may_be_torn_in_the_middle() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, ..) = open(dir.path()).unwrap();
        append(&mut log, 1..=10);
        log.sync().unwrap();
        let unsynced = log.offset as usize;
        append(&mut log, 11..=20);
        flip(dir.path(), 1, unsynced + 40);
        let mut log = expect(dir.path(), 10);
        // The torn records stay in the old segment and never come back.
        append(&mut log, 11..=15);
        log.sync().unwrap();
        expect(dir.path(), 15);
    }

    #[test]
    fn what_was_synced_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, ..) = open(dir.path()).unwrap();
        append(&mut log, 1..=10);
        let damaged = log.offset as usize;
        append(&mut log, 11..=20);
        log.sync().unwrap();
        append(&mut log, 21..=21);
        flip(dir.path(), 1, damaged + 40);
        assert!(matches!(open(dir.path()), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_header_may_be_lost_until_the_first_sync() {
        for synced in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (mut log, ..) = open(dir.path()).unwrap();
            append(&mut log, 1..=10);
            log.rotate(None).unwrap();
            append(&mut log, 11..=11);
            if synced {
                log.sync().unwrap();
            }
            append(&mut log, 12..=13);
            flip(dir.path(), 2, 17);
            match open(dir.path()) {
                Ok((_, _, replayed)) => assert!(!synced && replayed.len() == 10),
                Err(error) => assert!(synced && matches!(error, StoreError::Corrupt(_))),
            }
        }
    }

    #[test]
    fn a_segment_used_again_shows_nothing_of_its_former_life() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, ..) = open(dir.path()).unwrap();
        append(&mut log, 1..=200);
        let sealed = log.rotate(None).unwrap();
        let spare = retire(dir.path(), sealed, true).unwrap();
        append(&mut log, 201..=210);
        let sealed = log.rotate(spare).unwrap();
        assert_eq!(retire(dir.path(), sealed, false).unwrap(), None);
        append(&mut log, 211..=212);
        let (_, segments, replayed) = open(dir.path()).unwrap();
        assert_eq!((segments, replayed), (vec![3], vec![batch(211), batch(212)]));
    }
}
