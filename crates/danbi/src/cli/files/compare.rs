//! Whether a file and an object hold the same bytes, by size and ETag.

use super::transfer::part_bytes;
use crate::cli::failure::Failure;
use crate::cli::platform::ObjectEntry;
use danbi_core::hex;
use md5::{Digest, Md5};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const READ_BYTES: usize = 1 << 20;
/// Part sizes that other clients are known to upload with.
const FOREIGN_PARTS: [u64; 4] = [8 << 20, 5 << 20, 15 << 20, 64 << 20];

/// Whether the file at `path` of `size` bytes is what `object` holds. Blocks.
pub fn same(path: &Path, size: u64, object: &ObjectEntry) -> Result<bool, Failure> {
    if size != object.size {
        return Ok(false);
    }
    if let (Some(changed), Some(stored)) = (modified(path), stored_at(object))
        && changed == stored
    {
        // A download gives the file exactly the time of its object; whoever writes a file gives it a finer one.
        return Ok(true);
    }
    let parts = match object.etag.split_once('-') {
        None => return Ok(etag(path, None)? == object.etag),
        Some((_, parts)) => parts.parse::<u64>().unwrap_or_default(),
    };
    let sizes = [part_bytes(size)].into_iter().chain(FOREIGN_PARTS);
    for part in sizes.filter(|part| size.div_ceil(*part) == parts) {
        if etag(path, Some(part))? == object.etag {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When the object was stored.
pub fn stored_at(object: &ObjectEntry) -> Option<SystemTime> {
    OffsetDateTime::parse(&object.last_modified, &Rfc3339)
        .ok()
        .map(Into::into)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The ETag that S3 gives to the file: the MD5 of its bytes, or of the MD5s of its parts with their number.
fn etag(path: &Path, part: Option<u64>) -> Result<String, Failure> {
    let unreadable = |error| Failure::new(format!("cannot read {}", path.display()), error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut all = Md5::new();
    let mut parts = 0_u64;
    loop {
        let mut digest = Md5::new();
        let mut left = part.unwrap_or(u64::MAX);
        let mut any = false;
        while left > 0 {
            let wanted = left.min(READ_BYTES as u64) as usize;
            let read = file.read(&mut buffer[..wanted]).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            (left, any) = (left - read as u64, true);
        }
        if part.is_none() {
            return Ok(hex::encode(digest.finalize()));
        }
        if any {
            all.update(digest.finalize());
            parts += 1;
        }
        if left > 0 {
            return Ok(format!("{}-{parts}", hex::encode(all.finalize())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_those_of_s3() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"hello world").unwrap();
        assert_eq!(etag(file.path(), None).unwrap(), "5eb63bbbe01eeed093cb22bb8f5acdc3");
        // printf 'hello ' | md5sum; printf world | md5sum; both as bytes | md5sum
        let two = etag(file.path(), Some(6)).unwrap();
        let (hello, world) = (Md5::digest(b"hello "), Md5::digest(b"world"));
        let both = Md5::digest([hello.as_slice(), world.as_slice()].concat());
        assert_eq!(two, format!("{}-2", hex::encode(both)));
        let entry = |etag: &str| ObjectEntry {
            key: "k".into(),
            size: 11,
            etag: etag.into(),
            last_modified: "2020-01-01T00:00:00.000Z".into(),
        };
        assert!(same(file.path(), 11, &entry("5eb63bbbe01eeed093cb22bb8f5acdc3")).unwrap());
        assert!(!same(file.path(), 11, &entry("00")).unwrap());
        assert!(!same(file.path(), 12, &entry("5eb63bbbe01eeed093cb22bb8f5acdc3")).unwrap());
    }
}
