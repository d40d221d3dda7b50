use crate::Result;
use crate::records::View;
use bytes::Bytes;
use danbi_store::{Direction, KeyRange};
use std::collections::VecDeque;

/// Entries read at first where most of what follows may be passed over, and at most.
const FEW: usize = 16;
const MANY: usize = 1001;

/// A range of the store, read forward page by page, in which one can jump ahead.
pub(super) struct Cursor<'v, V> {
    view: &'v V,
    /// What was not read yet; `None` at the end.
    rest: Option<KeyRange>,
    read: VecDeque<(Bytes, Bytes)>,
    page: usize,
}

impl<'v, V: View> Cursor<'v, V> {
    /// Reads `range`, `page` entries at first.
    pub(super) fn new(view: &'v V, range: KeyRange, page: usize) -> Self {
        Self {
            view,
            rest: Some(range),
            read: VecDeque::new(),
            page: page.clamp(FEW, MANY),
        }
    }

    /// The entry that is next.
    pub(super) async fn peek(&mut self) -> Result<Option<&(Bytes, Bytes)>> {
        if self.read.is_empty()
            && let Some(rest) = self.rest.take()
        {
            let page = self.view.page(rest.clone(), Direction::Forward, self.page).await?;
            self.rest = match page.entries.last() {
                Some((last, _)) if page.more => Some(rest.after(last)),
                _ => None,
            };
            self.read = page.entries.into();
            // Whoever reads on wants more; whoever jumps begins small again.
            self.page = (self.page * 4).min(MANY);
        }
        Ok(self.read.front())
    }

    /// Takes the entry that [`Cursor::peek`] showed.
    pub(super) fn take(&mut self) -> Option<(Bytes, Bytes)> {
        self.read.pop_front()
    }

    /// Begins at the first entry at or behind `start`, before anything was read.
    pub(super) fn begin_at(&mut self, start: &Bytes) {
        let page = self.page;
        self.seek(start);
        self.page = page;
    }

    /// Jumps to the first entry at or behind `start`.
    pub(super) fn seek(&mut self, start: &Bytes) {
        let passed = self.read.partition_point(|(key, _)| key < start);
        self.read.drain(..passed);
        if self.read.is_empty()
            && let Some(rest) = self.rest.take()
        {
            let begins = rest.start().max(start).clone();
            self.rest = match rest.end() {
                Some(end) if *end <= begins => None,
                Some(end) => Some(KeyRange::new(begins, end.clone())),
                None => Some(KeyRange::starting_at(begins)),
            };
            self.page = FEW;
        }
    }
}
