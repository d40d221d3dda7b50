use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::Writes;
use crate::{KeyRange, MAX_TRANSACTION_AGE};

/// Bytes of keys remembered at most; a transaction that began before what is remembered has to run again.
const MAX_BYTES: usize = 8 << 20;
/// How long commits are remembered: no transaction commits that began earlier.
const MAX_AGE: Duration = MAX_TRANSACTION_AGE.saturating_add(Duration::from_secs(1));
/// What an entry costs besides its key.
const ENTRY_BYTES: usize = 96;

/// Which keys the newest commits wrote, to find out whether a transaction read something that has changed since.
#[derive(Debug)]
pub(crate) struct History {
    commits: VecDeque<Remembered>,
    newest_write: HashMap<Bytes, u64>,
    /// Versions whose cleared ranges are in `commits`, so that point reads need not look at every commit.
    clearing: VecDeque<u64>,
    bytes: usize,
    /// Everything up to here is forgotten.
    forgotten: u64,
}

#[derive(Debug)]
struct Remembered {
    version: u64,
    at: Instant,
    keys: Vec<Bytes>,
    cleared: Vec<KeyRange>,
    bytes: usize,
}

/// What [`History::check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unchanged,
    Changed,
    Forgotten,
}

impl History {
    /// Knows nothing of versions up to `forgotten`.
    pub(crate) fn new(forgotten: u64) -> Self {
        Self {
            commits: VecDeque::new(),
            newest_write: HashMap::new(),
            clearing: VecDeque::new(),
            bytes: 0,
            forgotten,
        }
    }

    /// Whether a commit newer than `read_version` wrote into any of `reads`.
    pub(crate) fn check(&self, read_version: u64, reads: &[KeyRange]) -> Verdict {
        if reads.is_empty() {
            return Verdict::Unchanged;
        }
        if read_version < self.forgotten {
            return Verdict::Forgotten;
        }
        if reads.iter().any(|range| self.changed(read_version, range)) {
            Verdict::Changed
        } else {
            Verdict::Unchanged
        }
    }

    fn changed(&self, read_version: u64, range: &KeyRange) -> bool {
        let cleared = || self.clearing.back().is_some_and(|&version| version > read_version);
        if is_point(range) {
            let written = self
                .newest_write
                .get(range.start())
                .is_some_and(|&version| version > read_version);
            return written || (cleared() && self.since(read_version).any(|commit| commit.clears(range)));
        }
        self.since(read_version)
            .any(|commit| commit.keys.iter().any(|key| range.contains(key)) || commit.clears(range))
    }

    fn since(&self, read_version: u64) -> impl Iterator<Item = &Remembered> {
        let first = self.commits.partition_point(|commit| commit.version <= read_version);
        self.commits.range(first..)
    }

    /// Remembers the writes of the commit that made `version`, the newest so far.
    pub(crate) fn record(&mut self, version: u64, writes: &Writes) {
        let keys: Vec<Bytes> = writes.points.keys().cloned().collect();
        for key in &keys {
            self.newest_write.insert(key.clone(), version);
        }
        let cleared = writes.cleared.clone();
        if !cleared.is_empty() {
            self.clearing.push_back(version);
        }
        let ranges = cleared.iter().map(|range| range.size() + ENTRY_BYTES).sum::<usize>();
        let bytes = keys.iter().map(|key| key.len() + ENTRY_BYTES).sum::<usize>() + ranges;
        self.bytes += bytes;
        self.commits.push_back(Remembered {
            version,
            at: Instant::now(),
            keys,
            cleared,
            bytes,
        });
        self.forget();
    }

    /// Drops what is too old or too much.
    pub(crate) fn forget(&mut self) {
        while let Some(oldest) = self.commits.front() {
            if self.bytes <= MAX_BYTES && oldest.at.elapsed() <= MAX_AGE {
                break;
            }
            let Some(oldest) = self.commits.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.forgotten = oldest.version;
            for key in oldest.keys {
                if self.newest_write.get(&key) == Some(&oldest.version) {
                    self.newest_write.remove(&key);
                }
            }
            if self.clearing.front() == Some(&oldest.version) {
                self.clearing.pop_front();
            }
        }
        if self.commits.is_empty() {
            self.newest_write.shrink_to_fit();
            self.commits.shrink_to_fit();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }
}

impl Remembered {
    fn clears(&self, range: &KeyRange) -> bool {
        self.cleared.iter().any(|cleared| cleared.overlaps(range))
    }
}

fn is_point(range: &KeyRange) -> bool {
    let start = range.start();
    range
        .end()
        .is_some_and(|end| end.len() == start.len() + 1 && end.starts_with(start) && end.last() == Some(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(keys: &[&'static str], cleared: &[KeyRange]) -> Writes {
        let points = keys.iter().map(|key| (Bytes::from(*key), None)).collect();
        Writes {
            points,
            cleared: cleared.to_vec(),
        }
    }

    #[test]
    fn only_newer_writes_into_what_was_read_count() {
        let mut history = History::new(0);
        history.record(1, &writes(&["a", "m"], &[]));
        history.record(2, &writes(&["b"], &[KeyRange::new("p", "q")]));
        let point = |key: &'static str| KeyRange::point(key);
        for (version, read, verdict) in [
            (0, point("a"), Verdict::Changed),
            (1, point("a"), Verdict::Unchanged),
            (1, point("b"), Verdict::Changed),
            (1, point("p/1"), Verdict::Changed),
            (2, point("p/1"), Verdict::Unchanged),
            (1, KeyRange::new("k", "p"), Verdict::Unchanged),
            (0, KeyRange::new("k", "p"), Verdict::Changed),
            (1, KeyRange::starting_at("pp"), Verdict::Changed),
            (1, KeyRange::new("b\0", "p"), Verdict::Unchanged),
        ] {
            assert_eq!(
                history.check(version, std::slice::from_ref(&read)),
                verdict,
                "{read:?} at {version}"
            );
        }
    }

    #[test]
    fn what_is_forgotten_is_refused_and_memory_is_bounded() {
        let mut history = History::new(5);
        assert_eq!(history.check(4, &[KeyRange::all()]), Verdict::Forgotten);
        assert_eq!(
            history.check(4, &[]),
            Verdict::Unchanged,
            "blind writes conflict with nothing"
        );
        let key = Bytes::from(vec![b'k'; 10_000]);
        for version in 6..3000 {
            let points = [(key.slice(..version as usize), None)].into();
            history.record(
                version,
                &Writes {
                    points,
                    cleared: Vec::new(),
                },
            );
        }
        assert!(history.bytes <= MAX_BYTES && history.newest_write.len() == history.commits.len());
        assert_eq!(history.check(6, &[KeyRange::point("z")]), Verdict::Unchanged);
        for version in 3000..9000 {
            let points = [(key.slice(..version as usize), None)].into();
            history.record(
                version,
                &Writes {
                    points,
                    cleared: Vec::new(),
                },
            );
        }
        assert!(history.bytes <= MAX_BYTES);
        assert_eq!(history.check(6, &[KeyRange::point("z")]), Verdict::Forgotten);
    }
}
