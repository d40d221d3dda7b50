//! What the calling process itself takes of the machine's memory. Here because it is the kernel's business, as all of
//! this crate is.

use std::fs;
use std::io;

/// Lets go of the pages of the program's own code. Those that are needed come back from the page cache, some
/// microseconds each; those that only the start needed stay in the page cache as long as nobody needs the room, and are
/// the first to be given up, which mapped pages are not.
///
/// # Errors
/// When `/proc` cannot be read or the kernel refuses.
pub fn release_code() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        // address, rights, offset, device, inode, path
        let mut fields = line.split_ascii_whitespace();
        let (Some(addresses), Some("r-xp"), Some(path)) = (fields.next(), fields.next(), fields.nth(3)) else {
            continue;
        };
        let address = |text| usize::from_str_radix(text, 16).ok();
        let range = addresses
            .split_once('-')
            .and_then(|(begin, end)| Some((address(begin)?, address(end)?)));
        if let Some((begin, end)) = range.filter(|_| program.as_os_str() == path) {
            // SAFETY: the pages are the program's file, mapped privately and never writable, so that what is read from
            // the file again is what was there.
            if unsafe { libc::madvise(begin as *mut _, end - begin, libc::MADV_DONTNEED) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_file_kib() -> usize {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssFile:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn the_code_comes_back_when_it_is_needed() {
        let before = resident_file_kib();
        release_code().unwrap();
        let after = resident_file_kib();
        assert!(after < before, "{after} KiB, {before} before");
        assert_eq!(format!("{:?}", [1, 2]), "[1, 2]");
    }
}
