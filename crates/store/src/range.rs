use bytes::Bytes;

/// The keys from `start` (inclusive) to `end` (exclusive), in byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    end: Option<Bytes>,
}

impl KeyRange {
    /// From `start` (inclusive) to `end` (exclusive). Empty when `end <= start`.
    pub fn new(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self {
            start: start.into(),
            end: Some(end.into()),
        }
    }

    pub(crate) fn from_bounds(start: Bytes, end: Option<Bytes>) -> Self {
        Self { start, end }
    }

    /// Every key.
    pub fn all() -> Self {
        Self {
            start: Bytes::new(),
            end: None,
        }
    }

    /// From `start` (inclusive) to the last key there is.
    pub fn starting_at(start: impl Into<Bytes>) -> Self {
        Self {
            start: start.into(),
            end: None,
        }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start: Bytes = prefix.into();
        let end = start.iter().rposition(|&byte| byte != 0xff).map(|last| {
            let mut end = start[..=last].to_vec();
            end[last] += 1;
            Bytes::from(end)
        });
        Self { start, end }
    }

    /// The single key `key`.
    pub fn point(key: impl Into<Bytes>) -> Self {
        let start: Bytes = key.into();
        let end = successor(&start);
        Self { start, end: Some(end) }
    }

    /// The part of this range behind `key`: for the next page of a forward scan.
    #[must_use]
    pub fn after(self, key: &[u8]) -> Self {
        let start = successor(key);
        if start > self.start {
            Self { start, ..self }
        } else {
            self
        }
    }

    /// The part of this range before `key`: for the next page of a reverse scan.
    #[must_use]
    pub fn before(self, key: &[u8]) -> Self {
        match &self.end {
            Some(end) if end.as_ref() <= key => self,
            _ => Self {
                end: Some(Bytes::copy_from_slice(key)),
                ..self
            },
        }
    }

    /// The first key that may belong to the range.
    pub fn start(&self) -> &Bytes {
        &self.start
    }

    /// The first key behind the range; `None` when nothing is.
    pub fn end(&self) -> Option<&Bytes> {
        self.end.as_ref()
    }

    /// Whether `key` belongs to the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_ref() <= key && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }

    /// Whether no key can belong to the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Whether some key may belong to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let begins_before = |a: &Self, b: &Self| b.end.as_ref().is_none_or(|end| a.start < *end);
        !self.is_empty() && !other.is_empty() && begins_before(self, other) && begins_before(other, self)
    }

    /// Bytes that the two bounds take.
    pub(crate) fn size(&self) -> usize {
        self.start.len() + self.end.as_ref().map_or(0, Bytes::len)
    }

    pub(crate) fn bounds(&self) -> (std::ops::Bound<Bytes>, std::ops::Bound<Bytes>) {
        use std::ops::Bound;
        (
            Bound::Included(self.start.clone()),
            self.end.clone().map_or(Bound::Unbounded, Bound::Excluded),
        )
    }
}

/// The smallest key behind `key`.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// Which end of a range a scan begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Reverse,
}

/// One page of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys and values in the scan's direction. May hold fewer than the limit asked for, because a page also ends at
    /// [`crate::MAX_PAGE_BYTES`]: `more` alone says whether the scan is over.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Whether the range holds entries behind the last one of this page.
    pub more: bool,
}
