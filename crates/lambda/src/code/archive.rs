//! Unpacks a zip archive that nobody has reason to trust.
//!
//! Nothing is believed that the archive says about itself: sizes are counted as bytes come out, names are taken apart,
//! and links are made last, after every file and folder, so that no entry is ever written through one.

use crate::Error;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;

/// The most bytes of an archive in a request. Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub(crate) const MAX_ZIPPED_BYTES: usize = 52_428_800;
/// The most bytes of unpacked code, layers included.
pub(crate) const MAX_UNPACKED_BYTES: u64 = 262_144_000;
/// The most entries in an archive. AWS names no number; the largest real packages have some 60,000.
const MAX_ENTRIES: usize = 200_000;
/// The most bytes of a link's target.
const MAX_LINK_BYTES: u64 = 4096;
/// Folders nested deeper than this are nobody's code.
const MAX_DEPTH: usize = 128;

const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Unpacks `archive` into `root`, an empty folder that is nobody else's; returns the bytes of all files.
///
/// Files become 0444, or 0555 when any execute bit was set, and folders 0755, so that the function's own user can read
/// them. Blocks. On an error `root` is left half full: the caller removes it.
pub(crate) fn unpack(archive: Bytes, root: &Path) -> Result<u64, Error> {
    // The reader keeps a record for each entry of the directory, so the entries are counted before it is let loose.
    if count_directory_entries(&archive) > MAX_ENTRIES {
        return Err(broken("too many entries"));
    }
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(broken)?;
    if archive.is_empty() || archive.len() > MAX_ENTRIES {
        return Err(broken("no entries, or too many"));
    }
    let mut written = 0;
    let mut links = Vec::new();
    let mut folders = BTreeSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        let Some(path) = inside(entry.name())? else { continue };
        let mode = entry.unix_mode();
        let kind = mode.map_or(0, |mode| mode & FILE_TYPE);
        if entry.is_dir() || kind == DIRECTORY {
            make_folders(root, &path, &mut folders)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            make_folders(root, parent, &mut folders)?;
        }
        match kind {
            0 | REGULAR => {
                let executable = mode.is_some_and(|mode| mode & 0o111 != 0);
                written += write_file(&mut entry, &root.join(&path), executable, MAX_UNPACKED_BYTES - written)?;
            }
            LINK => {
                let mut target = String::new();
                entry
                    .by_ref()
                    .take(MAX_LINK_BYTES + 1)
                    .read_to_string(&mut target)
                    .map_err(broken)?;
                if target.len() as u64 > MAX_LINK_BYTES {
                    return Err(broken("a link's target is too long"));
                }
                links.push((path, target));
            }
            _ => return Err(broken("an entry is a device, a pipe or a socket")),
        }
    }
    make_links(root, &links)?;
    Ok(written)
}

/// The message of AWS for any archive that cannot be unpacked; `why` goes to the log.
fn broken(why: impl std::fmt::Display) -> Error {
    tracing::debug!(%why, "a deployment package was refused");
    Error::InvalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again.".into())
}

/// The message of AWS for an archive that holds too much.
pub(crate) fn too_large() -> Error {
    Error::InvalidParameter(format!("Unzipped size must be smaller than {MAX_UNPACKED_BYTES} bytes"))
}

/// How many headers of a central directory the bytes can hold at most, whatever the end record claims.
fn count_directory_entries(bytes: &[u8]) -> usize {
    const HEADER: &[u8; 4] = b"PK\x01\x02";
    let mut count = 0;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == HEADER[0]) {
        rest = &rest[at..];
        let found = rest.starts_with(HEADER);
        count += usize::from(found);
        rest = &rest[if found { HEADER.len() } else { 1 }..];
    }
    count
}

/// The entry's name as a path that stays inside; `None` for the root itself (`./`).
fn inside(name: &str) -> Result<Option<PathBuf>, Error> {
    if name.contains('\0') || name.starts_with('/') {
        return Err(broken("an entry's name is absolute or holds a NUL"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(broken("an entry's name leads outward"));
            }
        }
    }
    if path.components().count() > MAX_DEPTH {
        return Err(broken("an entry lies too deep"));
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// Makes `path` and its parents below `root`; there are no links yet, so none is followed.
fn make_folders(root: &Path, path: &Path, made: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    if path.as_os_str().is_empty() || made.contains(path) {
        return Ok(());
    }
    let mut at = PathBuf::new();
    for part in path.components() {
        at.push(part);
        if made.contains(&at) {
            continue;
        }
        let folder = root.join(&at);
        fs::create_dir(&folder).map_err(unpacking)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        made.insert(at.clone());
    }
    Ok(())
}

/// Writes one file, at most `limit` bytes of it; returns how many there were.
fn write_file(entry: &mut impl Read, path: &Path, executable: bool, limit: u64) -> Result<u64, Error> {
    // `create_new`: a second entry of the same name is refused, and nothing that exists is opened.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(unpacking)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        let read = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Err(broken(error)),
        };
        written += read as u64;
        if written > limit {
            return Err(too_large());
        }
        file.write_all(&buffer[..read])?;
    }
    set_mode(&file, executable)?;
    Ok(written)
}

fn set_mode(file: &File, executable: bool) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(if executable { 0o555 } else { 0o444 }))
}

/// Makes the links, then sees where each one really leads.
fn make_links(root: &Path, links: &[(PathBuf, String)]) -> Result<(), Error> {
    for (path, target) in links {
        let parent = path.parent().unwrap_or(Path::new(""));
        if !stays_inside(parent, target) {
            return Err(broken("a link leads outward"));
        }
        symlink(target, root.join(path)).map_err(unpacking)?;
    }
    let real_root = fs::canonicalize(root)?;
    for (path, _) in links {
        // A link to nothing is harmless; one that leads outward by way of another link is not.
        if let Ok(real) = fs::canonicalize(root.join(path))
            && !real.starts_with(&real_root)
        {
            return Err(broken("a link leads outward through another"));
        }
    }
    Ok(())
}

/// Whether `target`, read from the folder `from`, stays below the root by its words alone.
fn stays_inside(from: &Path, target: &str) -> bool {
    let mut depth = from.components().count();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.is_empty()
}

/// Errors of the file system that the archive's names caused are the archive's fault, the others ours.
fn unpacking(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::NotFound => broken(error),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    const UNREADABLE: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";

    /// An archive of (name, mode, content); a mode with the link's type makes a link.
    pub(crate) fn zip(entries: &[(&str, u32, &[u8])]) -> Bytes {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            if mode & FILE_TYPE == LINK {
                writer
                    .add_symlink(*name, std::str::from_utf8(content).unwrap(), options)
                    .unwrap();
            } else {
                writer.start_file(*name, options).unwrap();
                writer.write_all(content).unwrap();
            }
        }
        writer.finish().unwrap().into_inner().into()
    }

    fn unpacked(entries: &[(&str, u32, &[u8])]) -> Result<(tempfile::TempDir, u64), Error> {
        let dir = tempfile::tempdir().unwrap();
        let bytes = unpack(zip(entries), dir.path())?;
        Ok((dir, bytes))
    }

    fn refusal(entries: &[(&str, u32, &[u8])]) -> String {
        unpacked(entries).unwrap_err().to_string()
    }

    #[test]
    fn files_keep_their_execute_bit_and_become_readable_for_all() {
        let (dir, bytes) = unpacked(&[
            ("bootstrap", 0o700, b"#!/bin/sh"),
            ("lib/a.py", 0o600, b"x"),
            ("./top.txt", 0o644, b"yz"),
        ])
        .unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("bootstrap"), mode("lib/a.py"), mode("lib")),
            (0o555, 0o444, 0o755)
        );
        assert_eq!(fs::read(dir.path().join("top.txt")).unwrap(), b"yz");
        assert_eq!(bytes, 12);
    }

    #[test]
    fn what_is_no_archive_is_refused_in_the_words_of_aws() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [
            Bytes::new(),
            Bytes::from_static(b"no zip"),
            zip(&[("a", 0o644, b"aaaa")]).slice(..20),
        ] {
            assert_eq!(unpack(bytes, dir.path()).unwrap_err().to_string(), UNREADABLE);
        }
        assert_eq!(refusal(&[]), UNREADABLE);
    }

    #[test]
    fn names_that_lead_outward_are_refused() {
        for name in ["../evil", "a/../../evil", "/etc/evil", "a/../evil"] {
            assert_eq!(refusal(&[(name, 0o644, b"x")]), UNREADABLE, "{name}");
        }
        assert_eq!(refusal(&[("a", 0o644, b"x"), ("./a", 0o644, b"y")]), UNREADABLE);
        assert_eq!(refusal(&[("a", 0o644, b"x"), ("a/b", 0o644, b"y")]), UNREADABLE);
        assert_eq!(refusal(&[(&"x".repeat(300), 0o644, b"x")]), UNREADABLE);
        assert_eq!(refusal(&[(&"d/".repeat(200), 0o644, b"")]), UNREADABLE);
    }

    #[test]
    fn links_stay_inside_and_nothing_is_written_through_them() {
        let (dir, _) = unpacked(&[("lib/real.so", 0o755, b"elf"), ("lib/so", LINK | 0o777, b"real.so")]).unwrap();
        assert_eq!(fs::read(dir.path().join("lib/so")).unwrap(), b"elf");
        for target in ["/etc/passwd", "../../etc", "../..", "a/../../../b"] {
            assert_eq!(
                refusal(&[("lib/x", LINK | 0o777, target.as_bytes())]),
                UNREADABLE,
                "{target}"
            );
        }
        // Into a link, whichever comes first.
        assert_eq!(refusal(&[("l", LINK | 0o777, b"."), ("l/x", 0o644, b"x")]), UNREADABLE);
        assert_eq!(refusal(&[("l/x", 0o644, b"x"), ("l", LINK | 0o777, b".")]), UNREADABLE);
        // By words inside, in truth outside: `a/b/c` is the root.
        let chain: &[(&str, u32, &[u8])] = &[
            ("a/b/c", LINK | 0o777, b"../.."),
            ("m", LINK | 0o777, b"a/b/c/../x"),
            ("n", LINK | 0o777, b"a/b/c/.."),
        ];
        assert_eq!(refusal(chain), UNREADABLE);
    }

    #[test]
    fn devices_are_refused() {
        // The writer only writes files and links, so the type is put in afterwards: every `S_IFREG` of the directory.
        let mut bytes = zip(&[("dev", 0o644, b"")]).to_vec();
        let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap() + 38;
        let mode = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) >> 16;
        bytes[at..at + 4].copy_from_slice(&((mode & 0o7777 | 0o020_000) << 16).to_le_bytes());
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(unpack(bytes.into(), dir.path()).unwrap_err().to_string(), UNREADABLE);
    }

    #[test]
    fn a_bomb_is_stopped_by_the_bytes_that_come_out() {
        let chunk = vec![0u8; 1 << 20];
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("bomb", SimpleFileOptions::default()).unwrap();
        for _ in 0..=MAX_UNPACKED_BYTES / (1 << 20) {
            writer.write_all(&chunk).unwrap();
        }
        let bytes: Bytes = writer.finish().unwrap().into_inner().into();
        assert!(bytes.len() < 1 << 20);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            unpack(bytes, dir.path()).unwrap_err().to_string(),
            "Unzipped size must be smaller than 262144000 bytes"
        );
    }

    #[test]
    fn an_archive_of_nothing_but_headers_is_refused_before_it_is_read() {
        let headers: Bytes = b"PK\x01\x02".repeat(MAX_ENTRIES + 1).into();
        assert_eq!(count_directory_entries(&headers), MAX_ENTRIES + 1);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(unpack(headers, dir.path()).unwrap_err().to_string(), UNREADABLE);
    }
}
