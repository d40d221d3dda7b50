//! PostgreSQL's write-ahead log: segments of 16 MiB, each named by its timeline and its place.
//!
//! Source: `src/include/access/xlog_internal.h` and `src/include/catalog/pg_control.h` of PostgreSQL 15.

use super::Position;
use crate::server::volume::{open_folder, open_plain};
use crate::server::{Running, ServerError, Volume};
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a segment, as `initdb` has it by default.
pub(crate) const SEGMENT: u64 = 16 << 20;
/// Where segments lie in a data folder.
const FOLDER: &str = "pg_wal";
/// Bits of a segment's place in the number of its file; the timeline is above.
const PLACE_BITS: u32 = 40;
/// The versions of the control file whose beginning is known here: those of PostgreSQL 13 to 17.
const CONTROL_VERSIONS: std::ops::RangeInclusive<u32> = 1300..=1700;
/// `DB_SHUTDOWNED`
const SHUT_DOWN: u32 = 1;
/// What keeps the server from removing segments that are not archived.
pub(crate) const SLOT: &str = "danbi_archive";

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lsn {
    pub(crate) timeline: u32,
    pub(crate) at: u64,
}

impl Lsn {
    pub(crate) fn position(self) -> Position {
        Position {
            file: (u64::from(self.timeline) << PLACE_BITS) | (self.at / SEGMENT),
            offset: self.at % SEGMENT,
        }
    }

    /// As PostgreSQL writes it.
    pub(crate) fn text(self) -> String {
        format!("{:X}/{:X}", self.at >> 32, self.at & 0xffff_ffff)
    }

    fn parse(timeline: u32, text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let part = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            timeline,
            at: part(high)? << 32 | part(low)?,
        })
    }

    /// Up to where a server's log is on disk.
    pub(crate) async fn of(running: &Running) -> Result<Self, ServerError> {
        let mut admin = running.postgres_admin("postgres").await?;
        let sql = "SELECT timeline_id, pg_current_wal_flush_lsn()::text FROM pg_control_checkpoint()";
        let answer = admin.query(sql).await?;
        let text = |at: usize| {
            let value = answer.rows.first()?.get(at)?.as_ref()?;
            std::str::from_utf8(value).ok()
        };
        let found = text(0).and_then(|timeline| Self::parse(timeline.parse().ok()?, text(1)?));
        found.ok_or_else(|| ServerError::Answer("the server does not say where its log stands".to_owned()))
    }

    /// Up to where the log of a stopped server matters: its last record, which says that it was stopped as it should be.
    /// `None` when it was not.
    pub(crate) fn of_stopped(volume: &Volume) -> io::Result<Option<Self>> {
        let Some(global) = open_folder(&volume.open("data")?, "global")? else {
            return Ok(None);
        };
        let Some(mut file) = open_plain(&global, "pg_control")? else {
            return Ok(None);
        };
        let mut control = [0; 64];
        file.read_exact(&mut control)?;
        Ok(Self::of_control(&control))
    }

    fn of_control(control: &[u8; 64]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(control.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(control.get(at..at + 8)?.try_into().ok()?));
        let is_known = CONTROL_VERSIONS.contains(&u32_at(8)?);
        (is_known && u32_at(16)? == SHUT_DOWN).then_some(())?;
        Some(Self {
            at: u64_at(32)?,
            timeline: u32_at(48)?,
        })
    }
}

/// The next place after a whole segment is the beginning of the next one.
pub(crate) fn normal(position: Position) -> Position {
    match position.offset >= SEGMENT {
        true => Position {
            file: position.file + 1,
            offset: 0,
        },
        false => position,
    }
}

/// The timeline of a position.
pub(crate) fn timeline(position: Position) -> u64 {
    position.file >> PLACE_BITS
}

/// The name of a segment by its number.
pub(crate) fn name(file: u64) -> String {
    let place = file & ((1 << PLACE_BITS) - 1);
    // So many segments make one log file of old.
    let per_log = (1 << 32) / SEGMENT;
    format!(
        "{:08X}{:08X}{:08X}",
        file >> PLACE_BITS,
        place / per_log,
        place % per_log
    )
}

/// `length` bytes of a segment.
pub(crate) fn read(volume: &Volume, from: Position, length: u64) -> io::Result<Vec<u8>> {
    let gone = || {
        io::Error::other(format!(
            "the segment {} of the write-ahead log is gone",
            name(from.file)
        ))
    };
    let folder = open_folder(&volume.open("data")?, FOLDER)?.ok_or_else(gone)?;
    let mut file = open_plain(&folder, &name(from.file))?.ok_or_else(gone)?;
    file.seek(SeekFrom::Start(from.offset))?;
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names() {
        let lsn = Lsn::parse(2, "16/B374D848").unwrap();
        assert_eq!(lsn.text(), "16/B374D848");
        let position = lsn.position();
        assert_eq!(name(position.file), "0000000200000016000000B3");
        assert_eq!((position.offset, timeline(position)), (0x74_d848, 2));
        let end = Position {
            offset: SEGMENT,
            ..position
        };
        assert_eq!(name(normal(end).file), "0000000200000016000000B4");
        assert!(Lsn::parse(1, "nonsense").is_none() && Lsn::parse(1, "1/x").is_none());
    }

    #[test]
    fn a_control_file_tells_where_a_stopped_server_was() {
        let mut control = [0; 64];
        control[8..12].copy_from_slice(&1300_u32.to_le_bytes());
        control[16] = 1;
        control[32..40].copy_from_slice(&0x1_0000_0028_u64.to_le_bytes());
        control[48] = 1;
        let found = Lsn::of_control(&control).unwrap();
        assert_eq!((found.timeline, found.text()), (1, "1/28".to_owned()));
        control[16] = 6;
        assert_eq!(Lsn::of_control(&control), None);
    }
}
