//! The order of message groups: who is first in a line says when its group is visible.

use crate::Error;
use crate::keys::{self, MessageKey, QueueId};
use crate::records::{Read, State, put};
use danbi_store::{Direction, KeyRange, Transaction};

/// The first message of a line, and when it is visible.
pub(crate) type Head = Option<(MessageKey, i64)>;

/// Who is first in the line of `group`.
pub(crate) async fn head(tx: &Transaction, queue: &QueueId, group: &str) -> Result<Head, Error> {
    let page = tx.first(KeyRange::prefix(keys::lines(queue, group)), 1).await?;
    let Some((key, _)) = page.entries.first() else {
        return Ok(None);
    };
    let message = keys::line_of(queue, group, key).map_err(Error::internal)?;
    let state: Option<State> = tx.record(&keys::message(queue, &message)).await?;
    Ok(Some((message, state.map_or(0, |state| state.visible_ms))))
}

/// Brings the entry by which a group is visible into step with its line, which had this head before it was changed; when
/// it is visible now, if it is there at all.
pub(crate) async fn settle(tx: &Transaction, queue: &QueueId, group: &str, before: Head) -> Result<Option<i64>, Error> {
    let after = head(tx, queue, group).await?;
    if before != after {
        if let Some((message, at)) = before {
            tx.delete(&keys::ready(queue, at, &message))?;
        }
        if let Some((message, at)) = after {
            tx.put(&keys::ready(queue, at, &message), group.to_owned())?;
        }
    }
    Ok(after.map(|(_, at)| at))
}

/// Puts a message at the end of its line. Its sequence number is `least`, or the next one behind who is last there, so
/// that the order holds whatever clocks say.
pub(crate) async fn append(
    tx: &Transaction,
    queue: &QueueId,
    group: &str,
    id: uuid::Uuid,
    least: u64,
    state: &State,
) -> Result<MessageKey, Error> {
    let line = KeyRange::prefix(keys::lines(queue, group));
    let page = tx.page(line, Direction::Reverse, 1).await?;
    let last = page.entries.first().map(|(key, _)| keys::line_of(queue, group, key));
    let last = last.transpose().map_err(Error::internal)?;
    let message = MessageKey {
        sequence: last.map_or(least, |last| least.max(last.sequence + 1)),
        id,
    };
    tx.put(&keys::line(queue, group, &message), "")?;
    put(tx, &keys::message(queue, &message), state)?;
    if last.is_none() {
        tx.put(&keys::ready(queue, state.visible_ms, &message), group.to_owned())?;
    }
    Ok(message)
}
