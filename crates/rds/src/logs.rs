//! The log files of databases, as their servers wrote them.

use crate::describe::{self, page, passes};
use crate::keys::Kind;
use crate::records::{Record, Status};
use crate::shapes::*;
use crate::{Error, Rds, Result};
use danbi_core::{RequestContext, Scope};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Names begin with what kind of log it is.
const FOLDER: &str = "error/";
/// The most of a file that one answer has. Source: DownloadDBLogFilePortion's reference.
const MAX_BYTES: u64 = 1 << 20;
const MAX_LINES: usize = 10_000;

struct LogFile {
    /// As users know it.
    name: String,
    path: PathBuf,
    bytes: u64,
    /// Milliseconds since the epoch.
    written: i64,
}

/// The record that has the server of an instance.
async fn server_of(rds: &Rds, scope: &Scope, name: &str) -> Result<Record> {
    let record = describe::load(rds, Kind::Instance, scope, name).await?;
    let owner = match &record.cluster {
        Some(cluster) => describe::load(rds, Kind::Cluster, scope, cluster).await?,
        None => record,
    };
    match owner.status {
        Status::Creating => Err(Error::Aws(
            "DBInstanceNotReady",
            400,
            format!("The DB instance {name} is still being created."),
        )),
        _ => Ok(owner),
    }
}

async fn files(rds: &Rds, owner: &Record) -> Result<Vec<LogFile>> {
    let folder = rds.volume(&owner.resource).logs();
    let listing = tokio::task::spawn_blocking(move || {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            // One may be removed meanwhile.
            let (Ok(metadata), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else {
                continue;
            };
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            found.push(LogFile {
                name: format!("{FOLDER}{name}"),
                path: entry.path(),
                bytes: metadata.len(),
                written: i64::try_from(written.as_millis()).unwrap_or(i64::MAX),
            });
        }
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    });
    Ok(listing.await.map_err(io::Error::other)??)
}

pub(crate) async fn describe_files(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBLogFilesMessage,
) -> Result<DescribeDBLogFilesResponse> {
    passes(input.filters.as_ref(), |_| None)?;
    let owner = server_of(&rds, &context.scope, &input.db_instance_identifier).await?;
    let wanted = |file: &LogFile| {
        input
            .filename_contains
            .as_ref()
            .is_none_or(|part| file.name.contains(part.as_str()))
            && input.file_last_written.is_none_or(|since| file.written >= since)
            && input
                .file_size
                .is_none_or(|least| i64::try_from(file.bytes).unwrap_or(i64::MAX) > least)
    };
    let found = files(&rds, &owner).await?.into_iter().filter(wanted);
    let found = found.map(|file| (file.name.clone(), file)).collect();
    let (found, marker) = page(found, input.max_records, input.marker.as_ref())?;
    let one = |file: LogFile| DescribeDBLogFilesDetails {
        log_file_name: Some(file.name),
        last_written: Some(file.written),
        size: Some(i64::try_from(file.bytes).unwrap_or(i64::MAX)),
    };
    Ok(DescribeDBLogFilesResponse {
        describe_db_log_files: Some(found.into_iter().map(one).collect()),
        marker,
    })
}

pub(crate) async fn download(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DownloadDBLogFilePortionMessage,
) -> Result<DownloadDBLogFilePortionDetails> {
    let owner = server_of(&rds, &context.scope, &input.db_instance_identifier).await?;
    let found = files(&rds, &owner).await?.into_iter();
    let file = found.into_iter().find(|file| file.name == input.log_file_name);
    let file = file.ok_or_else(|| {
        Error::Aws(
            "DBLogFileNotFoundFault",
            404,
            format!("DBLog File: {}, is not found on the DB instance", input.log_file_name),
        )
    })?;
    let lines = match input.number_of_lines {
        None | Some(0) => MAX_LINES,
        Some(lines) => usize::try_from(lines)
            .map_err(|_| Error::invalid(format!("Invalid number of lines: {lines}")))?
            .min(MAX_LINES),
    };
    let marker = match input.marker.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let at = text.parse::<u64>();
            Some(at.map_err(|_| Error::invalid(format!("Invalid marker: {text}")))?)
        }
    };
    let size = file.bytes;
    let from = marker.unwrap_or_else(|| size.saturating_sub(MAX_BYTES)).min(size);
    let reading = tokio::task::spawn_blocking(move || {
        let mut opened = std::fs::File::open(&file.path)?;
        opened.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        opened.take(MAX_BYTES.min(size - from)).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = reading.await.map_err(io::Error::other)??;
    let (skipped, portion) = match marker {
        Some(_) => (0, first_lines(&bytes, lines)),
        None => last_lines(&bytes, lines),
    };
    let end = from + (skipped + portion.len()) as u64;
    Ok(DownloadDBLogFilePortionDetails {
        log_file_data: Some(String::from_utf8_lossy(portion).into_owned()),
        marker: Some(end.to_string()),
        additional_data_pending: Some(end < size),
    })
}

fn first_lines(bytes: &[u8], lines: usize) -> &[u8] {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    match ends.nth(lines.saturating_sub(1)) {
        Some((end, _)) => &bytes[..=end],
        None => bytes,
    }
}

/// How much is before them, and they.
fn last_lines(bytes: &[u8], lines: usize) -> (usize, &[u8]) {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let begin = ends.nth(lines.saturating_sub(1)).map_or(0, |(end, _)| end + 1);
    (begin, &bytes[begin..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_either_end() {
        let text = b"a\nb\nc\n";
        assert_eq!(first_lines(text, 2), b"a\nb\n");
        assert_eq!(first_lines(text, 9), text);
        assert_eq!(last_lines(text, 2), (2, &b"b\nc\n"[..]));
        assert_eq!(last_lines(b"a\nb\nc", 1), (4, &b"c"[..]));
        assert_eq!(last_lines(text, 9), (0, &text[..]));
        assert_eq!(last_lines(b"", 9), (0, &b""[..]));
    }
}
