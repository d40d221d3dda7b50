//! What the store holds of stacks, apart from the API's shapes, and how records longer than a value are kept.
//!
//! A record is JSON in chunks: the first one begins with how many there are. New members get a default.

use crate::template::parameters::Given;
use crate::{Error, Result};
use bytes::{BufMut, Bytes, BytesMut};
use danbi_core::{AccountId, Principal, Session, Timestamp};
use danbi_store::key::{KeyBuilder, KeyReader};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

const CHUNK: usize = 90_000;

/// What can be read from: a transaction or a snapshot.
pub(crate) trait View: Sync {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
    fn page(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

impl View for Transaction {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        self.get(key)
    }
    fn page(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.scan(range, direction, limit)
    }
}

impl View for Snapshot {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        self.get(key)
    }
    fn page(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.scan(range, direction, limit)
    }
}

fn chunk_key(key: &[u8], number: usize) -> Bytes {
    let mut all = BytesMut::from(key);
    all.put_slice(&KeyBuilder::new().u64(number as u64).build());
    all.freeze()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Damaged(error.to_string()))
}

fn count_of(first: &[u8]) -> Result<(usize, &[u8])> {
    let (count, rest) = first
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::Damaged("a short chunk".into()))?;
    Ok((u32::from_be_bytes(*count) as usize, rest))
}

/// Writes a record, in place of what is there.
pub(crate) async fn put<T: Serialize + Sync>(tx: &Transaction, key: &[u8], record: &T) -> Result<()> {
    let bytes = serde_json::to_vec(record).map_err(|error| Error::Damaged(error.to_string()))?;
    let before = match tx.get(&chunk_key(key, 0)).await? {
        Some(first) => count_of(&first)?.0,
        None => 0,
    };
    let chunks: Vec<&[u8]> = if bytes.is_empty() {
        vec![&[]]
    } else {
        bytes.chunks(CHUNK).collect()
    };
    let count = u32::try_from(chunks.len()).map_err(|_| Error::Damaged("too large a record".into()))?;
    for (number, chunk) in chunks.iter().enumerate() {
        let mut value = BytesMut::with_capacity(chunk.len() + 4);
        if number == 0 {
            value.put_u32(count);
        }
        value.put_slice(chunk);
        tx.put(&chunk_key(key, number), value.freeze())?;
    }
    for number in chunks.len()..before {
        tx.delete(&chunk_key(key, number))?;
    }
    Ok(())
}

/// Removes the record at `key`, or all below it.
pub(crate) fn delete(tx: &Transaction, key: &[u8]) -> Result<()> {
    Ok(tx.delete_range(KeyRange::prefix(Bytes::copy_from_slice(key)))?)
}

/// Reads a record.
pub(crate) async fn get<T: DeserializeOwned>(view: &impl View, key: &[u8]) -> Result<Option<T>> {
    let Some(first) = view.read(&chunk_key(key, 0)).await? else {
        return Ok(None);
    };
    let (count, rest) = count_of(&first)?;
    if count == 1 {
        return decode(rest).map(Some);
    }
    let mut whole = rest.to_vec();
    for number in 1..count {
        let chunk = view.read(&chunk_key(key, number)).await?;
        whole.extend_from_slice(&chunk.ok_or_else(|| Error::Damaged("a chunk is missing".into()))?);
    }
    decode(&whole).map(Some)
}

/// Reads the records whose keys are `prefix` and one more text, behind `after` if given, at most `limit`.
pub(crate) async fn list<T: DeserializeOwned>(
    view: &impl View,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Bytes, T)>> {
    let mut out: Vec<(Bytes, T)> = Vec::new();
    let mut range = KeyRange::prefix(Bytes::copy_from_slice(prefix));
    if let Some(after) = after {
        // Behind all chunks of that record.
        range = range.after(&chunk_key(after, u32::MAX as usize));
    }
    let (mut whole, mut left, mut start) = (Vec::new(), 0_usize, 0_usize);
    loop {
        let page = view.page(range.clone(), Direction::Forward, 500).await?;
        for (key, value) in &page.entries {
            if left == 0 {
                if out.len() == limit {
                    return Ok(out);
                }
                let (count, rest) = count_of(value)?;
                whole = rest.to_vec();
                left = count;
                start = key.len() - chunk_key(&[], 0).len();
            } else {
                whole.extend_from_slice(value);
            }
            left -= 1;
            if left == 0 {
                out.push((key.slice(..start), decode(&whole)?));
            }
        }
        match page.entries.last() {
            Some((key, _)) if page.more => range = range.after(key),
            _ => return Ok(out),
        }
    }
}

/// The last text of a key.
pub(crate) fn last_text(key: &[u8], prefix: &[u8]) -> Result<String> {
    Ok(KeyReader::after_prefix(key, prefix)?.str()?)
}

/// Who asked for a stack, so that the platform can go on in that name after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asker {
    Root(String),
    Identity {
        arn: String,
        id: String,
        /// What limits it, when it asked with a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
    },
    Service(String),
    Nobody,
}

impl Asker {
    pub(crate) fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Root(account) => Self::Root(account.to_string()),
            Principal::Identity { arn, id, session } => Self::Identity {
                arn: arn.to_string(),
                id: id.clone(),
                session: session.as_deref().cloned(),
            },
            Principal::Service(name) => Self::Service(name.clone()),
            Principal::Anonymous => Self::Nobody,
        }
    }

    pub(crate) fn principal(&self) -> Principal {
        match self {
            Self::Root(account) => account
                .parse::<AccountId>()
                .map_or(Principal::Anonymous, Principal::Root),
            Self::Identity { arn, id, session } => {
                arn.parse().map_or(Principal::Anonymous, |arn| Principal::Identity {
                    arn,
                    id: id.clone(),
                    session: session.clone().map(Arc::new),
                })
            }
            Self::Service(name) => Principal::Service(name.clone()),
            Self::Nobody => Principal::Anonymous,
        }
    }
}

/// A tag of a stack, which its resources get too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub key: String,
    pub value: String,
}

/// What a stack is to be: a template with its values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    /// Under which id the template's text is kept.
    pub template: String,
    pub description: Option<String>,
    pub parameters: BTreeMap<String, Given>,
    pub tags: Vec<Tag>,
    pub capabilities: Vec<String>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
}

/// What is being done to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Create,
    CreateRollback,
    Update,
    UpdateCleanup,
    UpdateRollback,
    UpdateRollbackCleanup,
    Delete,
}

/// What follows a create that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum OnFailure {
    #[default]
    Rollback,
    DoNothing,
    Delete,
}

/// Work on a stack, from the request to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub id: String,
    /// With what the states to go back to are marked: the first operation since the stack was whole.
    pub base: String,
    pub phase: Phase,
    pub target: Target,
    /// What the stack was when it was last whole; none when it never was.
    #[serde(default)]
    pub previous: Option<Target>,
    #[serde(default)]
    pub token: Option<String>,
    pub asker: Asker,
    /// The host that the client addressed: callback links are built on it.
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub secure: bool,
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    #[serde(default)]
    pub on_failure: OnFailure,
    #[serde(default)]
    pub skip: Vec<String>,
    #[serde(default)]
    pub retain: Vec<String>,
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub retain_except_on_create: bool,
    /// The stack policy that counts during this update instead of the stack's own.
    #[serde(default)]
    pub policy: Option<String>,
    /// Somebody wants the update undone.
    #[serde(default)]
    pub cancelled: bool,
    /// Somebody wants the stack gone: this follows when what is under way has ended.
    #[serde(default)]
    pub then_delete: Option<Box<Operation>>,
}

/// An output as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub key: String,
    pub value: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub export: Option<String>,
}

/// A stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stack {
    pub uuid: String,
    pub name: String,
    pub account: String,
    pub region: String,
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
    pub created: Timestamp,
    #[serde(default)]
    pub updated: Option<Timestamp>,
    #[serde(default)]
    pub deleted: Option<Timestamp>,
    /// What it is; empty while it is only reviewed.
    pub target: Target,
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Work that stopped half-way and can be taken up: after UPDATE_ROLLBACK_FAILED and where rollback is off.
    #[serde(default)]
    pub halted: Option<Operation>,
    #[serde(default)]
    pub outputs: Vec<Output>,
    #[serde(default)]
    pub imports: BTreeSet<String>,
    #[serde(default)]
    pub disable_rollback: bool,
    #[serde(default)]
    pub timeout_minutes: Option<i32>,
    #[serde(default)]
    pub protected: bool,
    #[serde(default)]
    pub policy: Option<String>,
    #[serde(default)]
    pub parent: Option<String>,
    #[serde(default)]
    pub root: Option<String>,
    #[serde(default)]
    pub change_set: Option<String>,
    #[serde(default)]
    pub rollback: Option<Value>,
    #[serde(default)]
    pub deletion_mode: Option<String>,
    /// The last request's token and kind, so that its repetition does nothing.
    #[serde(default)]
    pub last_token: Option<(String, String)>,
}

impl Stack {
    pub(crate) fn id(&self) -> String {
        format!(
            "arn:aws:cloudformation:{}:{}:stack/{}/{}",
            self.region, self.account, self.name, self.uuid
        )
    }
}

/// What becomes of a physical resource that the stack needs no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Policy {
    #[default]
    Delete,
    Retain,
    RetainExceptOnCreate,
    /// Removed after a snapshot is taken of it.
    Snapshot,
}

/// A physical resource as it was last made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub kind: String,
    pub id: String,
    /// What `Ref` gives, where it is not the id.
    pub reference: Option<String>,
    pub properties: Value,
    pub tags: Vec<Tag>,
    pub attributes: Map<String, Value>,
    pub depends_on: BTreeSet<String>,
    pub deletion: Policy,
    pub replacement: Policy,
    pub metadata: Option<Value>,
}

/// A call that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub operation: String,
    pub token: String,
    pub started: Timestamp,
    pub creates: bool,
    /// What it tries to reach.
    pub properties: Value,
}

/// What a resource was before an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub base: String,
    pub state: Option<State>,
}

/// A physical resource that another has taken the place of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leftover {
    pub state: State,
    /// Whether its UpdateReplacePolicy counts; what a rollback leaves is always removed.
    pub by_policy: bool,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub logical_id: String,
    pub kind: String,
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
    pub changed: Timestamp,
    #[serde(default)]
    pub state: Option<State>,
    #[serde(default)]
    pub step: Option<Step>,
    /// The operation and phase that it is done with.
    #[serde(default)]
    pub settled: Option<String>,
    #[serde(default)]
    pub before: Option<Before>,
    #[serde(default)]
    pub leftovers: Vec<Leftover>,
    /// Kept for those who look at a stack that is gone.
    #[serde(default)]
    pub last_id: Option<String>,
}

impl Resource {
    pub(crate) fn physical_id(&self) -> Option<String> {
        self.state
            .as_ref()
            .map(|state| state.id.clone())
            .filter(|id| !id.is_empty())
            .or_else(|| self.last_id.clone())
    }
}

/// Something that happened to a stack or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub id: String,
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
    pub time: Timestamp,
    pub status: String,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub properties: Option<String>,
    #[serde(default)]
    pub token: Option<String>,
}

/// A change set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeSet {
    pub uuid: String,
    pub name: String,
    pub description: Option<String>,
    pub created: Timestamp,
    pub status: String,
    pub reason: Option<String>,
    pub execution: String,
    pub creates: bool,
    pub target: Target,
    pub changes: Vec<crate::shapes::Change>,
    pub asker: Asker,
    pub nested: bool,
    pub on_failure: Option<String>,
    pub token: Option<String>,
}

/// A value that other stacks may import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Export {
    pub value: String,
    /// The exporting stack's id.
    pub stack: String,
}

/// A node's claim on the work on a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub holder: uuid::Uuid,
    pub until: i64,
    pub account: String,
    pub region: String,
}

/// An answer that is waited for, by whoever has the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub stack: String,
    pub logical_id: String,
    pub until: i64,
    /// What has come: unique id → document.
    pub answers: BTreeMap<String, String>,
}
