//! The files beside an export's data, as AWS writes them.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>.

use super::TransferRef;
use super::export::ExportRecord;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A data file, as `manifest-files.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataFile {
    pub item_count: u64,
    pub md5_checksum: String,
    pub etag: String,
    pub data_file_s3_key: String,
}

/// Base64 of the MD5 of some bytes.
pub(super) fn md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

fn time(at: Timestamp) -> String {
    // The format has only parts that every time has.
    at.to_datetime().format(TIME).unwrap_or_default()
}

/// Where the files of an export lie, with the slash at the end.
pub(super) fn folder(prefix: Option<&str>, id: &str) -> String {
    match prefix
        .map(|prefix| prefix.trim_end_matches('/'))
        .filter(|prefix| !prefix.is_empty())
    {
        Some(prefix) => format!("{prefix}/AWSDynamoDB/{id}/"),
        None => format!("AWSDynamoDB/{id}/"),
    }
}

/// The name of an export's data file: the same whenever that file is written again.
pub(super) fn data_file(id: &str, number: u32) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = Md5::digest(format!("{id}/{number}"));
    let letters = digest.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    format!("data/{}{number:010}.json.gz", letters.collect::<String>())
}

/// `manifest-summary.json`.
pub(super) fn summary(export: &TransferRef, record: &ExportRecord, ended: Timestamp) -> Result<Vec<u8>, Error> {
    let folder = folder(record.prefix.as_deref(), &export.id);
    let summary = json!({
        "version": "2020-06-30",
        "exportArn": export.arn("export")?,
        "startTime": time(record.started),
        "endTime": time(ended),
        "tableArn": export.table_arn()?,
        "tableId": record.table_id.to_string(),
        "exportTime": time(record.time),
        "s3Bucket": record.bucket,
        "s3Prefix": record.prefix,
        "s3SseAlgorithm": record.encryption.as_deref().unwrap_or("AES256"),
        "s3SseKmsKeyId": record.kms_key,
        "manifestFilesS3Key": format!("{folder}manifest-files.json"),
        "billedSizeBytes": record.bytes,
        "itemCount": record.items,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    });
    super::encode(&summary)
}
