//! Files below a folder of this machine, and the keys that they have.

use crate::cli::failure::Failure;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Folders in folders that are looked into.
const DEEPEST: usize = 128;

/// A file, and its path below the folder with slashes.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below the folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// All files below `folder`, in the order of their names. Links to files count, links to folders do not.
pub fn files(folder: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    walk(folder, "", 0, &mut found)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<Found>) -> Result<(), Failure> {
    let unreadable = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::new(format!("cannot read {}", path.display()), why).next("leave it out, or change its rights")
    };
    if depth > DEEPEST {
        return Err(unreadable(folder, &format!("folders are nested deeper than {DEEPEST}")));
    }
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| unreadable(&path, &"its name is no UTF-8, so it can be no key"))?;
        if name.ends_with(PARTIAL) {
            continue;
        }
        let name = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, found)?;
            continue;
        }
        let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if metadata.is_file() {
            found.push(Found {
                path,
                name,
                size: metadata.len(),
            });
        }
    }
    Ok(())
}

/// What a file is called while it is being downloaded.
pub const PARTIAL: &str = ".danbi-part";

/// Where the object `name` belongs below `folder`; `None` when it would lie outside, or cannot be a file.
pub fn place(folder: &Path, name: &str) -> Option<PathBuf> {
    let relative = Path::new(name);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let fit = plain && !name.is_empty() && !name.ends_with('/') && !name.contains("//") && !name.contains('\0');
    fit.then(|| folder.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let folder = Path::new("/base");
        assert_eq!(place(folder, "a/b.txt"), Some(PathBuf::from("/base/a/b.txt")));
        for wrong in ["", "/etc/passwd", "../x", "a/../../x", "./x", "a//b", "a/", "a\0b"] {
            assert_eq!(place(folder, wrong), None, "{wrong:?}");
        }
    }
}
