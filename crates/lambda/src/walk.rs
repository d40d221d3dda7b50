//! All keys of a kind, a page at a time, each page from a snapshot of its own: none of them is old when a page's work takes
//! long, and no snapshot is held longer than the store allows.

use crate::Error;
use crate::keys;
use crate::lambda::Lambda;
use bytes::Bytes;
use danbi_store::{Direction, KeyRange};

/// A walk over the keys below a prefix. Keys that are written behind it meanwhile are not seen.
pub(crate) struct Walk {
    /// What is still to be read; nothing at the end.
    rest: Option<KeyRange>,
    page: usize,
}

impl Walk {
    /// Begins at the first key below `prefix`; `page` entries are read at once.
    pub(crate) fn below(prefix: &Bytes, page: usize) -> Self {
        Self {
            rest: Some(keys::below(prefix)),
            page,
        }
    }

    /// The next entries; nothing at the end.
    pub(crate) async fn next(&mut self, lambda: &Lambda) -> Result<Option<Vec<(Bytes, Bytes)>>, Error> {
        let Some(range) = self.rest.take() else { return Ok(None) };
        let view = lambda.snapshot().await?;
        let page = view.scan(range.clone(), Direction::Forward, self.page).await?;
        if let (true, Some((last, _))) = (page.more, page.entries.last()) {
            self.rest = Some(range.after(last));
        }
        Ok(Some(page.entries))
    }
}
