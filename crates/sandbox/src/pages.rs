//! Which memory a template's fork has made its own by writing to it. A fork shares every page with the template until
//! it writes to it; the first write copies the page, 2 to 3 µs each. What one fork wrote, the next one will write too, so
//! one that waits may be told to copy it beforehand.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::process::Pid;

/// Most pages that are copied beforehand: 16 MiB of 4 KiB each. Whoever writes more is no fork that shares its memory.
const MAX_PAGES: usize = 4096;
/// The largest mapping that is looked into, in pages.
const MAX_MAPPING: u64 = 1 << 20;
/// Entries of `/proc/PID/pagemap`, by the kernel's `Documentation/admin-guide/mm/pagemap.rst`: 8 bytes for a page.
const ENTRY_BYTES: usize = 8;
const PRESENT: u64 = 1 << 63;
/// A page of a file, or of memory that processes share on purpose.
const SHARED: u64 = 1 << 61;
/// Mapped by one process.
const EXCLUSIVE: u64 = 1 << 56;

/// Memory of a program, as ranges of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages(Vec<Range<u64>>);

impl Pages {
    /// What process `pid` shares with no other process, of the private memory that it may write to.
    ///
    /// # Errors
    /// When the process is gone, or the kernel lets nobody look; [`io::ErrorKind::InvalidData`] for more than 16 MiB.
    pub(crate) fn own(pid: Pid) -> io::Result<Self> {
        let page = rustix::param::page_size() as u64;
        let pid = pid.as_raw_nonzero();
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        let mut own = Self::default();
        let mut count = 0;
        for mapping in fs::read_to_string(format!("/proc/{pid}/maps"))?
            .lines()
            .filter_map(writable)
        {
            let length = (mapping.end - mapping.start) / page;
            if length > MAX_MAPPING {
                continue;
            }
            let mut entries = vec![0; length as usize * ENTRY_BYTES];
            pagemap.read_exact_at(&mut entries, mapping.start / page * ENTRY_BYTES as u64)?;
            let entries = entries.as_chunks().0.iter().map(|entry| u64::from_ne_bytes(*entry));
            for address in mapping.clone().step_by(page as usize).zip(entries).filter_map(is_own) {
                own.push(address..address + page);
                count += 1;
            }
            if count > MAX_PAGES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "too much memory of its own"));
            }
        }
        Ok(own)
    }

    fn push(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    /// How much it is.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// What a fork that waits for its letter reads: eight zero bytes, which no letter begins with, and then address and
    /// length of each range in the machine's own order.
    pub(crate) fn message(&self) -> Vec<u8> {
        let numbers = self.0.iter().flat_map(|range| [range.start, range.end - range.start]);
        [0].into_iter().chain(numbers).flat_map(u64::to_ne_bytes).collect()
    }
}

/// The addresses of a line of `/proc/PID/maps` that is private memory to write to.
fn writable(line: &str) -> Option<Range<u64>> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw-p").then_some(address(start)?..address(end)?)
}

fn is_own((address, entry): (u64, u64)) -> Option<u64> {
    (entry & (PRESENT | SHARED | EXCLUSIVE) == PRESENT | EXCLUSIVE).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_memory_that_may_be_written_counts() {
        let line = "7f00a000-7f00c000 rw-p 00000000 00:00 0   [heap]";
        assert_eq!(writable(line), Some(0x7f00_a000..0x7f00_c000));
        assert_eq!(writable("7f00a000-7f00c000 r-xp 00000000 08:01 7 /usr/lib/x.so"), None);
        assert_eq!(writable("7f00a000-7f00c000 rw-s 00000000 00:01 7 /dev/zero"), None);
        assert_eq!(writable("nothing"), None);
    }

    #[test]
    fn neighbours_are_one_range() {
        let mut pages = Pages::default();
        for start in [1, 2, 5] {
            pages.push(start * 4096..(start + 1) * 4096);
        }
        assert_eq!(pages, Pages(vec![4096..3 * 4096, 5 * 4096..6 * 4096]));
        assert_eq!(pages.bytes(), 3 * 4096);
        let words: Vec<u64> = pages
            .message()
            .as_chunks()
            .0
            .iter()
            .map(|word| u64::from_ne_bytes(*word))
            .collect();
        assert_eq!(words, [0, 4096, 2 * 4096, 5 * 4096, 4096]);
    }

    #[test]
    fn what_was_written_is_found() {
        let bytes = vec![7_u8; 1 << 20];
        let own = Pages::own(rustix::process::getpid()).unwrap();
        let middle = std::hint::black_box(&bytes).as_ptr() as u64 + (1 << 19);
        assert!(
            own.0.iter().any(|range| range.contains(&middle)),
            "{middle:x} is not in {own:x?}"
        );
    }
}
