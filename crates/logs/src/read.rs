//! Finding events: a page at a time, in the order of positions, with bounded memory and bounded work.
//!
//! A page is chosen while chunks stream by: of the events met so far only those that can still be on the page are
//! kept. Chunks are ordered by their first event, so a forward page is known to be complete when the next chunk begins
//! behind it; backward, when the next chunk begins more than `SPAN_MS` before it.

use crate::chunk::{Header, IndexEntry, SPAN_MS};
use crate::error::LogsError;
use crate::keys;
use crate::pattern::Pattern;
use crate::position::Position;
use bytes::Bytes;
use danbi_store::{Direction, KeyRange, Snapshot};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Bytes of events on a page (AWS's bound), each counted with [`EVENT_BYTES`].
const PAGE_BYTES: usize = 1024 * 1024;
/// What an event counts beside its message.
pub(crate) const EVENT_BYTES: usize = 26;
/// Chunks read from the store at a time; a page of the store also ends at a megabyte.
const SCAN: usize = 256;

/// Which chunks to read.
#[derive(Debug)]
pub(crate) enum Source {
    /// Those of a whole group, of the streams that the filter names.
    Group(StreamFilter),
    /// Those of one stream.
    Stream { id: u64, name: Arc<str> },
}

/// Which streams of a group are searched.
#[derive(Debug)]
pub(crate) enum StreamFilter {
    All,
    Named(HashSet<String>),
    Prefix(String),
}

impl StreamFilter {
    pub(crate) fn accepts(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

/// The work that one request may do before it answers with what it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Chunks that it looks at.
    pub(crate) chunks: usize,
    /// Bytes of messages that it looks at.
    pub(crate) bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            chunks: 16_384,
            bytes: 32 * 1024 * 1024,
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) group: u64,
    pub(crate) source: Source,
    /// The first position that may be found.
    pub(crate) from: Position,
    /// The first position behind those that may be found.
    pub(crate) to: Position,
    /// Where chunks that matter begin, when an earlier page has found that out.
    pub(crate) floor: Option<Position>,
    pub(crate) direction: Direction,
    pub(crate) pattern: Option<&'a Pattern>,
    /// Most events on the page.
    pub(crate) limit: usize,
    pub(crate) budget: Budget,
}

/// One found event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stream: Arc<str>,
    pub(crate) ingestion_time: i64,
    pub(crate) message: String,
}

/// One page of events, in ascending order whatever the direction.
#[derive(Debug, Default)]
pub(crate) struct EventPage {
    pub(crate) events: BTreeMap<Position, Found>,
    /// Where the next page begins (forward) or ends (backward); `None` when there is nothing more.
    pub(crate) next: Option<Position>,
    /// For the next forward page: where chunks that matter begin.
    pub(crate) floor: Position,
}

/// The page while it is chosen.
struct Chosen {
    forward: bool,
    events: BTreeMap<Position, Found>,
    bytes: usize,
    limit: usize,
    cut: Option<Position>,
}

impl Chosen {
    fn offer(&mut self, at: Position, stream: &Arc<str>, ingestion_time: i64, message: &str) {
        if self.is_cut(at) {
            return;
        }
        self.bytes += message.len() + EVENT_BYTES;
        self.events.insert(
            at,
            Found {
                stream: Arc::clone(stream),
                ingestion_time,
                message: message.to_owned(),
            },
        );
        while self.events.len() > self.limit || (self.bytes > PAGE_BYTES && self.events.len() > 1) {
            let last = if self.forward {
                self.events.pop_last()
            } else {
                self.events.pop_first()
            };
            let Some((at, event)) = last else { return };
            self.bytes -= event.message.len() + EVENT_BYTES;
            self.cut = Some(if self.forward { at } else { at.next() });
        }
    }

    fn is_cut(&self, at: Position) -> bool {
        self.cut
            .is_some_and(|cut| if self.forward { at >= cut } else { at < cut })
    }

    /// Ends the page at `cut`: what lies beyond is for another.
    fn cut_at(&mut self, cut: Position) {
        if self.is_cut(cut) {
            return;
        }
        self.cut = Some(cut);
        let beyond = self.events.split_off(&cut);
        if !self.forward {
            self.events = beyond;
        }
    }
}

impl Query<'_> {
    /// Reads one page.
    pub(crate) async fn page(&self, snapshot: &Snapshot) -> Result<EventPage, LogsError> {
        let forward = self.direction == Direction::Forward;
        let mut chosen = Chosen {
            forward,
            events: BTreeMap::new(),
            bytes: 0,
            limit: self.limit.max(1),
            cut: None,
        };
        if self.from >= self.to {
            return Ok(EventPage::default());
        }
        let mut seen: Vec<(Position, i64)> = Vec::new();
        let mut names = Names::default();
        let (mut chunks, mut bytes) = (0, 0);
        let mut rest = self.range();
        'pages: loop {
            let page = snapshot.scan(rest.clone(), self.direction, SCAN).await?;
            for (key, value) in &page.entries {
                let at = self.position(key)?;
                let spent = chunks >= self.budget.chunks || bytes >= self.budget.bytes;
                if self.is_complete(&mut chosen, at, spent) {
                    break 'pages;
                }
                chunks += 1;
                bytes += self
                    .examine(snapshot, at, value, &mut names, &mut chosen, &mut seen)
                    .await?;
            }
            let Some((last, _)) = page.entries.last().filter(|_| page.more) else {
                break;
            };
            rest = if forward { rest.after(last) } else { rest.before(last) };
            // Decoding and matching take the processor; others get their turn.
            tokio::task::yield_now().await;
        }
        let next = chosen.cut;
        let floor = next.unwrap_or_default();
        let floor = seen
            .iter()
            .filter(|(_, last)| *last >= floor.timestamp)
            .map(|(at, _)| *at)
            .min()
            .unwrap_or(floor);
        Ok(EventPage {
            events: chosen.events,
            next,
            floor,
        })
    }

    /// The keys of the chunks that may hold events between `from` and `to`.
    fn range(&self) -> KeyRange {
        let look_back = Position::at(self.from.timestamp - SPAN_MS);
        let first = self.floor.map_or(look_back, |floor| floor.max(look_back));
        let key = |at: Position| match self.source {
            Source::Group(_) => keys::chunk(self.group, at),
            Source::Stream { id, .. } => keys::index(self.group, Position { stream: id, ..at }),
        };
        // A key knows nothing of the place within a chunk, so the chunk that `to` lies in belongs to the range.
        KeyRange::point(key(self.to))
            .end()
            .map_or_else(KeyRange::all, |end| KeyRange::new(key(first), end.clone()))
    }

    fn position(&self, key: &[u8]) -> Result<Position, LogsError> {
        Ok(match self.source {
            Source::Group(_) => keys::chunk_position(key)?,
            Source::Stream { .. } => keys::index_position(key)?,
        })
    }

    /// Whether no chunk from `at` on can change the page; when the work is `spent`, the page is cut so that it holds.
    fn is_complete(&self, chosen: &mut Chosen, at: Position, spent: bool) -> bool {
        if chosen.forward {
            // Before `from` there is nothing to cut, and a page that ended there would lead to itself.
            if spent && at > self.from {
                chosen.cut_at(at);
            }
            return chosen.is_cut(at);
        }
        // Nothing in this chunk or one before it is later than this.
        let latest = at.timestamp + SPAN_MS;
        if spent && Position::at(latest + 1) < self.to {
            chosen.cut_at(Position::at(latest + 1));
        }
        chosen.cut.is_some_and(|cut| latest < cut.timestamp)
    }

    /// Offers a chunk's events to the page; says how many bytes it looked at.
    async fn examine(
        &self,
        snapshot: &Snapshot,
        at: Position,
        value: &Bytes,
        names: &mut Names,
        chosen: &mut Chosen,
        seen: &mut Vec<(Position, i64)>,
    ) -> Result<usize, LogsError> {
        let last = match self.source {
            Source::Group(_) => Header::read(value)?.0.last,
            Source::Stream { .. } => IndexEntry::decode(value)?.last,
        };
        let before_page = last < self.from.timestamp;
        let behind_cut = !chosen.forward && chosen.cut.is_some_and(|cut| last < cut.timestamp);
        if before_page || behind_cut {
            return Ok(0);
        }
        let (stream, value) = match &self.source {
            Source::Group(filter) => match names.get(snapshot, self.group, at.stream).await? {
                Some(name) if filter.accepts(&name) => (name, value.clone()),
                _ => return Ok(0),
            },
            Source::Stream { name, .. } => match snapshot.get(&keys::chunk(self.group, at)).await? {
                Some(value) => (Arc::clone(name), value),
                None => return Ok(0),
            },
        };
        seen.push((at, last));
        let (header, body) = Header::read(&value)?;
        let whole = self.whole(snapshot, at, &header, body).await?;
        let mut bytes = 0;
        header.each_event(at, whole.as_deref().unwrap_or(body), |at, message| {
            bytes += message.len() + EVENT_BYTES;
            let inside = at >= self.from && at < self.to && !chosen.is_cut(at);
            if inside && self.pattern.is_none_or(|pattern| pattern.matches(message)) {
                chosen.offer(at, &stream, header.ingestion_time, message);
            }
        })?;
        Ok(bytes)
    }

    /// The body of a chunk that has further parts.
    async fn whole(
        &self,
        snapshot: &Snapshot,
        at: Position,
        header: &Header,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, LogsError> {
        if header.further_parts == 0 {
            return Ok(None);
        }
        let mut whole = body.to_vec();
        for part in 1..=header.further_parts {
            let bytes = snapshot.get(&keys::more(self.group, at, part)).await?;
            whole.extend_from_slice(&bytes.ok_or_else(|| LogsError::Damaged("a chunk lacks a part".to_owned()))?);
        }
        Ok(Some(whole))
    }
}

/// The names of the streams met during one request; `None` for a stream that was deleted.
#[derive(Debug, Default)]
struct Names(HashMap<u64, Option<Arc<str>>>);

impl Names {
    async fn get(&mut self, snapshot: &Snapshot, group: u64, stream: u64) -> Result<Option<Arc<str>>, LogsError> {
        if let Some(known) = self.0.get(&stream) {
            return Ok(known.clone());
        }
        let name = snapshot.get(&keys::name(group, stream)).await?;
        let name = name.and_then(|bytes| std::str::from_utf8(&bytes).ok().map(Arc::from));
        self.0.insert(stream, name.clone());
        Ok(name)
    }
}
