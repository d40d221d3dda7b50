//! The job that reads the objects of a bucket into a new table.

use super::bucket::{Object, Trouble};
use super::import::ImportRecord;
use super::records::{INFLATED_AT_ONCE, Inflate, Record, Records};
use super::{Caller, Failure, Status, TransferRef, csv, decode, encode};
use crate::items::single::check_size;
use crate::items::view::View;
use crate::items::{index, key, members, stored};
use crate::jobs::{Held, Job};
use crate::tables::backfill::Target;
use crate::tables::record::{TableRecord, TableState};
use crate::tables::usage::{self, Counts};
use crate::{AttributeValue, DynamoDb, Error, Item, item_size, keys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_store::Transaction;
use serde::{Deserialize, Serialize};

/// Bytes of an object that are asked for at once.
const PIECE: u64 = 2 * 1024 * 1024;
/// Records that one transaction puts, and the bytes at which it ends.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 1024 * 1024;

/// An import that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Import {
    import: TransferRef,
    caller: Caller,
    /// The table that is filled.
    target: Target,
    /// The last object that was read to its end.
    after: Option<String>,
    /// The one that is being read.
    current: Option<Current>,
    /// What was put.
    counts: Counts,
}

/// How far an object has been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Current {
    object: Object,
    /// Bytes of its content, without the compression.
    position: u64,
    /// The names of the columns, once they were read.
    header: Option<Vec<String>>,
}

/// What a batch does to the table and to what is known of the import.
#[derive(Debug, Default)]
struct Batch {
    items: Vec<Item>,
    /// Bytes of content behind which the next batch begins.
    bytes: u64,
    size: usize,
    records: u64,
    errors: u64,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Item")]
    item: Item,
}

impl Import {
    pub(super) fn new(import: TransferRef, caller: Caller, target: Target) -> Self {
        Self {
            import,
            caller,
            target,
            after: None,
            current: None,
            counts: Counts::default(),
        }
    }
}

/// Whether an import goes on.
enum Course {
    /// It does.
    On,
    /// Its table is gone, or another node has it.
    Ended,
}

impl DynamoDb {
    /// Does an import to its end. Each of its transactions is a step of the job: `held` goes along.
    pub(crate) async fn import_all(&self, held: &mut Held, import: &Import) -> Result<(), Error> {
        let mut import = import.clone();
        match self.import_objects(held, &mut import).await {
            Ok(()) => Ok(()),
            Err(Trouble::Passing(error)) => Err(error),
            Err(Trouble::Lasting(failure)) => self.end_import(held, &import, Some(failure)).await,
        }
    }

    async fn import_objects(&self, held: &mut Held, import: &mut Import) -> Result<(), Trouble> {
        let Some(asked) = self.import_record(import).await? else {
            return Ok(self.end_import(held, import, None).await?);
        };
        loop {
            if import.current.is_none() {
                let source = &asked.asked.s3_bucket_source;
                let place = [
                    source.s3_bucket.as_str(),
                    source.s3_key_prefix.as_deref().unwrap_or_default(),
                ];
                let owner = source.s3_bucket_owner.as_deref();
                let found = self.next_object(&import.caller, owner, place, import.after.as_deref());
                let Some(object) = found.await? else {
                    if import.after.is_none() {
                        return Err(Trouble::Lasting(Failure {
                            code: "S3NoSuchKey".into(),
                            message: "There is no object with the given prefix in the bucket".into(),
                        }));
                    }
                    return Ok(self.end_import(held, import, None).await?);
                };
                let csv = asked
                    .asked
                    .input_format_options
                    .as_ref()
                    .and_then(|options| options.csv.as_ref());
                import.current = Some(Current {
                    object,
                    position: 0,
                    header: csv.and_then(|csv| csv.header_list.clone()),
                });
            }
            if let Course::Ended = self.import_object(held, import, &asked).await? {
                return Ok(());
            }
        }
    }

    /// Reads the current object from where it was left.
    async fn import_object(
        &self,
        held: &mut Held,
        import: &mut Import,
        asked: &ImportRecord,
    ) -> Result<Course, Trouble> {
        let Some(current) = import.current.clone() else {
            return Ok(Course::On);
        };
        let source = &asked.asked.s3_bucket_source;
        let gzip = asked.asked.input_compression_type.as_deref() == Some("GZIP");
        let is_csv = asked.asked.input_format == "CSV";
        let corrupt = |_| {
            Trouble::Lasting(Failure {
                code: "InvalidFileFormat".into(),
                message: format!("{} is not compressed with GZIP", current.object.key),
            })
        };
        let mut inflate = Inflate::new(gzip);
        let mut records = Records::new(is_csv);
        // Content that a crash left done is passed over; where nothing is compressed it is not even asked for.
        let (mut offset, mut skip) = match gzip {
            true => (0, current.position),
            false => (current.position, 0),
        };
        let mut batch = Batch::default();
        while offset < current.object.size {
            let end = (offset + PIECE).min(current.object.size);
            let piece = self
                .object_piece(
                    &import.caller,
                    source.s3_bucket_owner.as_deref(),
                    &source.s3_bucket,
                    &current.object,
                    offset..end,
                )
                .await?;
            if piece.is_empty() {
                return Err(Trouble::Passing(Error::internal("an object ended before its end")));
            }
            offset += piece.len() as u64;
            for part in piece.chunks(INFLATED_AT_ONCE) {
                let mut content = inflate.push(part).map_err(corrupt)?;
                if skip > 0 {
                    let passed = skip.min(content.len() as u64);
                    // Not more than the content's length.
                    content.drain(..passed as usize);
                    skip -= passed;
                }
                records.push(&content);
                while let Some(record) = records.next() {
                    if let Course::Ended = self.take(held, import, asked, record, &mut batch).await? {
                        return Ok(Course::Ended);
                    }
                }
            }
        }
        records.push(&inflate.finish().map_err(corrupt)?);
        while let Some(record) = records.next().or_else(|| records.last()) {
            if let Course::Ended = self.take(held, import, asked, record, &mut batch).await? {
                return Ok(Course::Ended);
            }
        }
        import.after = Some(current.object.key.clone());
        Ok(self.put_batch(held, import, batch, true).await?)
    }

    async fn take(
        &self,
        held: &mut Held,
        import: &mut Import,
        asked: &ImportRecord,
        record: Record,
        batch: &mut Batch,
    ) -> Result<Course, Trouble> {
        batch.bytes += record.bytes;
        let Some(current) = &mut import.current else {
            return Ok(Course::On);
        };
        if record
            .text
            .as_ref()
            .is_some_and(|text| text.iter().all(u8::is_ascii_whitespace))
        {
            return Ok(Course::On);
        }
        let is_csv = asked.asked.input_format == "CSV";
        if is_csv && current.header.is_none() {
            let csv = asked
                .asked
                .input_format_options
                .as_ref()
                .and_then(|options| options.csv.as_ref());
            let delimiter = delimiter(csv.and_then(|csv| csv.delimiter.as_deref()));
            let header = record.text.and_then(|text| csv::fields(&text, delimiter));
            current.header = Some(header.ok_or_else(|| {
                Trouble::Lasting(Failure {
                    code: "InvalidFileFormat".into(),
                    message: format!("The first line of {} is no CSV header", current.object.key),
                })
            })?);
            return Ok(Course::On);
        }
        batch.records += 1;
        let item = record.text.and_then(|text| match is_csv {
            true => from_csv(&text, asked, current.header.as_deref().unwrap_or_default()),
            false => serde_json::from_slice::<Line>(&text).ok().map(|line| line.item),
        });
        match item {
            Some(item) => {
                batch.size += item_size(&item);
                batch.items.push(item);
            }
            None => batch.errors += 1,
        }
        if batch.items.len() < BATCH && batch.size < BATCH_BYTES && batch.errors < BATCH as u64 {
            return Ok(Course::On);
        }
        Ok(self.put_batch(held, import, std::mem::take(batch), false).await?)
    }

    /// Puts the items of a batch, with how far the import has come.
    async fn put_batch(&self, held: &mut Held, import: &mut Import, batch: Batch, ends: bool) -> Result<Course, Error> {
        let mut next = import.clone();
        match (&mut next.current, ends) {
            (current, true) => *current = None,
            (Some(current), false) => current.position += batch.bytes,
            (None, false) => {}
        }
        let (next, batch) = (&next, &batch);
        let done = self
            .store
            .transact(async |tx| {
                let mut next = next.clone();
                let table = self.target(&tx, &next.target).await?;
                let record = self.import(&tx, &next.import).await?;
                let (Some(table), Some(mut record)) = (table, record) else {
                    return Ok(None);
                };
                record.errors += batch.errors;
                for item in &batch.items {
                    match put(&tx, &table, item, &mut next.counts).await {
                        Ok(()) => record.imported += 1,
                        Err(Error::Validation(_)) => record.errors += 1,
                        Err(error) => return Err(error),
                    }
                }
                record.processed += batch.records;
                record.processed_bytes += batch.bytes;
                tx.put(&next.import.import_key()?, encode(&record)?)?;
                self.advance(&tx, held, Some(&Job::Import(Box::new(next.clone()))))
                    .await?;
                Ok::<_, Error>(Some(next))
            })
            .await?;
        match done {
            Some(next) => {
                *import = next;
                held.stepped();
                Ok(Course::On)
            }
            None => {
                self.end_import(held, import, None).await?;
                Ok(Course::Ended)
            }
        }
    }

    async fn import_record(&self, import: &Import) -> Result<Option<ImportRecord>, Error> {
        let snapshot = self.store.snapshot().await?;
        let value = snapshot.get(&import.import.import_key()?).await?;
        value.map(|value| decode(&value)).transpose()
    }

    /// The table can be used from now on; it goes again when the import failed.
    async fn end_import(&self, held: &Held, import: &Import, failure: Option<Failure>) -> Result<(), Error> {
        let ended = self.clock.now();
        if let Some(failure) = &failure {
            tracing::warn!(
                code = failure.code,
                message = failure.message,
                "dynamodb: an import failed"
            );
        }
        self.store
            .transact(async |tx| {
                let table = self.target(&tx, &import.target).await?;
                let status = match (&table, &failure) {
                    (None, _) => Status::Cancelled,
                    (Some(table), Some(_)) => {
                        tx.delete(&keys::table(&table.scope, &table.name))?;
                        self.jobs.add(&tx, Job::clear(keys::table_data(table.id)))?;
                        Status::Failed
                    }
                    (Some(table), None) => {
                        let mut table = TableRecord::clone(table);
                        table.state = TableState::Active;
                        usage::set(&tx, table.id, &import.counts).await?;
                        self.catalog.put(&tx, table)?;
                        Status::Completed
                    }
                };
                if let Some(mut record) = self.import(&tx, &import.import).await? {
                    record.status = status;
                    record.ended = Some(ended);
                    record.failure = failure.clone();
                    tx.put(&import.import.import_key()?, encode(&record)?)?;
                }
                self.advance(&tx, held, None).await
            })
            .await?;
        self.jobs.wake();
        Ok(())
    }
}

/// Puts an item into a table that nobody uses yet. The same key may come twice: the last one stays.
async fn put(tx: &Transaction, table: &TableRecord, item: &Item, counts: &mut Counts) -> Result<(), Error> {
    members::attribute_names(item.keys())?;
    check_size(item)?;
    key::check_item(table, item)?;
    let located = key::item_key(table, item)?;
    let before = stored::get(View::Transaction(tx), &located.bytes).await?;
    let old = before.as_ref().map(stored::Stored::item).transpose()?;
    let size = item_size(item);
    stored::put(tx, &located.bytes, item, size, before.as_ref())?;
    index::change(tx, table, &located, old.as_ref(), Some(item), counts)?;
    counts.replace(before.as_ref().map(|before| before.size), Some(size));
    Ok(())
}

fn delimiter(given: Option<&str>) -> u8 {
    given.and_then(|given| given.bytes().next()).unwrap_or(b',')
}

/// Keys have the types of their definitions; everything else is text.
fn from_csv(record: &[u8], asked: &ImportRecord, header: &[String]) -> Option<Item> {
    let csv = asked
        .asked
        .input_format_options
        .as_ref()
        .and_then(|options| options.csv.as_ref());
    let fields = csv::fields(record, delimiter(csv.and_then(|csv| csv.delimiter.as_deref())))?;
    if fields.len() != header.len() {
        return None;
    }
    let definitions = &asked.asked.table_creation_parameters.attribute_definitions;
    let mut item = Item::new();
    for (name, field) in header.iter().zip(fields) {
        let defined = definitions.iter().find(|defined| defined.attribute_name == *name);
        let value = match defined.map(|defined| defined.attribute_type.as_str()) {
            Some("N") => AttributeValue::N(field.trim().parse().ok()?),
            Some("B") => AttributeValue::B(STANDARD.decode(field.trim()).ok()?),
            _ => AttributeValue::S(field),
        };
        item.insert(name.clone(), value);
    }
    Some(item)
}
