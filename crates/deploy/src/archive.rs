//! The package: a zip that depends on nothing but names, modes and contents, so that the same app gives the same
//! `CodeSha256` wherever it is built.

use crate::DeployError;
use crate::select::Selected;
use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Unpacked, Lambda takes 250 MiB; a package far beyond is a mistake that is better told before it is read.
const MAX_UNPACKED: u64 = 1024 * 1024 * 1024;

/// Writes `files`, which must be sorted by path and free of duplicates. Executables keep mode 0755, everything else is
/// 0644; times are the format's zero, 1980-01-01.
pub(crate) fn write(files: &[Selected]) -> Result<Vec<u8>, DeployError> {
    let unpacked: u64 = files.iter().map(|file| file.size).sum();
    if unpacked > MAX_UNPACKED {
        return Err(DeployError::TooLarge {
            problem: format!("the package would hold {} MiB", unpacked / 1024 / 1024),
            advice: "leave data out with `exclude` in danbi.toml, or with .danbiignore; the largest folders are listed by --dry-run".into(),
        });
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated);
    for file in files {
        let metadata = fs::symlink_metadata(&file.source).map_err(DeployError::io("read", &file.source))?;
        if metadata.is_symlink() {
            let target = fs::read_link(&file.source).map_err(DeployError::io("read", &file.source))?;
            zip.add_symlink(&file.path, target.to_string_lossy(), options)?;
            continue;
        }
        let mode = if metadata.permissions().mode() & 0o111 == 0 {
            0o644
        } else {
            0o755
        };
        zip.start_file(&file.path, options.unix_permissions(mode))?;
        let mut source = File::open(&file.source).map_err(DeployError::io("read", &file.source))?;
        io::copy(&mut source, &mut zip).map_err(DeployError::io("read", &file.source))?;
    }
    let mut cursor = zip.finish()?;
    cursor.flush().map_err(|error| DeployError::Archive(error.into()))?;
    Ok(cursor.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn file(path: &str, source: &Path) -> Selected {
        Selected {
            path: path.into(),
            source: source.to_owned(),
            size: 1,
        }
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (a, run, link) = (
            folder.path().join("a"),
            folder.path().join("run"),
            folder.path().join("link"),
        );
        fs::write(&a, "text").unwrap();
        fs::write(&run, "#!/bin/sh").unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("a", &link).unwrap();
        let files = [file("a", &a), file("link", &link), file("run", &run)];
        let first = write(&files).unwrap();
        fs::write(&a, "text").unwrap();
        fs::set_permissions(&a, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(first, write(&files).unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(first)).unwrap();
        assert_eq!(archive.by_name("run").unwrap().unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(archive.by_name("a").unwrap().unix_mode().unwrap() & 0o777, 0o644);
        assert!(archive.by_name("link").unwrap().is_symlink());
    }
}
