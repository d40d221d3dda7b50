use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use danbi_core::{Body, RequestContext, ServiceError};
use danbi_wire::EventStream;
use http_body_util::BodyExt;

use super::csv::MAX_RECORD_BYTES;
use super::engine::{Engine, Window};
use super::error::refused;
use super::input::Unpacker;
use super::output::Writer;
use super::parse;
use crate::encryption::{self, CustomerHeaders};
use crate::records::Object;
use crate::shapes::*;
use crate::{Error, Result, S3, archive, content, versions};

/// Bytes of results that are sent at a time.
const BATCH_BYTES: usize = 64 * 1024;

type Events = EventStream<SelectObjectContentEventStream>;

/// Starts a query; its results come while the object is read.
pub(crate) async fn select(
    s3: Arc<S3>,
    context: RequestContext,
    input: SelectObjectContentRequest,
) -> Result<(SelectObjectContentOutput, Events)> {
    if input.expression_type != "SQL" {
        return Err(refused(
            "InvalidExpressionType",
            "The ExpressionType is invalid. Only SQL expressions are supported.",
        ));
    }
    if input.input_serialization.parquet.is_some() {
        let message = "Parquet input of SelectObjectContent is not built: only CSV and JSON.";
        return Err(Error::client("NotImplemented", 501, message));
    }
    let query = parse::query(&input.expression)?;
    let writer = Writer::new(&input.output_serialization)?;
    let unpacker = Unpacker::new(input.input_serialization.compression_type.as_deref())?;

    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let (_, object) = versions::object(&view, &bucket, &input.key, None, "POST").await?;
    archive::check_readable(&object, s3.now())?;
    let customer = CustomerHeaders {
        algorithm: input.sse_customer_algorithm.as_deref(),
        key: input.sse_customer_key.as_deref(),
        md5: input.sse_customer_key_md5.as_deref(),
    };
    let key = encryption::data_key(&s3, &context, &object.encryption, customer).await?;
    let scan = scan_range(&input, &unpacker, object.size)?;
    let read = |range: Range<u64>| content::read(&s3, &view, &object.content, &key, object.size, range);
    // The record that is under way where a scan begins belongs to the scan before. One byte more (or a delimiter more)
    // tells whether one is.
    let delimiter = input
        .input_serialization
        .csv
        .as_ref()
        .and_then(|csv| csv.record_delimiter.as_ref());
    let before = delimiter.map_or(1, |delimiter| delimiter.len() as u64);
    let mid_record = scan.start > 0;
    let begins = scan.start.saturating_sub(before);
    let window = Window {
        offset: begins,
        end: scan.end.saturating_sub(1),
        mid_record,
    };
    let mut engine = Engine::new(query, &input.input_serialization, writer, window, s3.now())?;
    if begins > 0
        && let Some(columns) = header_apart(&input, &object, read).await?
    {
        engine.set_columns(columns)?;
    }
    let body = read(begins..object.size).await?;
    drop(view);
    let running = Running {
        engine,
        unpacker,
        body: Some(body),
        progress: input.request_progress.and_then(|progress| progress.enabled) == Some(true),
        scanned: 0,
        processed: 0,
        returned: 0,
        queue: Vec::new(),
    };
    let events = futures_util::stream::try_unfold(running, |mut running| async move {
        let event = running.next().await.map_err(ServiceError::from)?;
        Ok(event.map(|event| (event, running)))
    });
    Ok((SelectObjectContentOutput {}, Box::pin(events)))
}

/// The bytes in which the records that are looked at begin.
fn scan_range(input: &SelectObjectContentRequest, unpacker: &Unpacker, size: u64) -> Result<Range<u64>> {
    let Some(range) = &input.scan_range else {
        return Ok(0..size.max(1));
    };
    let document = input
        .input_serialization
        .json
        .as_ref()
        .is_some_and(|json| json.r#type.as_deref() != Some("LINES"));
    let quoted = input
        .input_serialization
        .csv
        .as_ref()
        .is_some_and(|csv| csv.allow_quoted_record_delimiter == Some(true));
    if !unpacker.is_plain() || document || quoted {
        let message = "Scan range queries are not supported on this type of object. Scan range queries are supported on \
                       CSV and JSON objects without compression and without quoted record delimiters.";
        return Err(refused("UnsupportedScanRangeInput", message));
    }
    let invalid = || {
        refused(
            "InvalidScanRange",
            "The value of a parameter in ScanRange element is invalid. Check the service API documentation and try again.",
        )
    };
    let number = |value: Option<i64>| {
        value
            .map(|value| u64::try_from(value).map_err(|_| invalid()))
            .transpose()
    };
    let (start, end) = match (number(range.start)?, number(range.end)?) {
        (Some(start), Some(end)) if start <= end => (start, end.saturating_add(1).min(size)),
        (Some(start), None) => (start, size),
        // The last bytes.
        (None, Some(last)) => (size.saturating_sub(last), size),
        _ => return Err(invalid()),
    };
    if start > size {
        return Err(invalid());
    }
    Ok(start..end.max(start))
}

/// The names of the columns, which lie before the window of a scan.
async fn header_apart<F>(
    input: &SelectObjectContentRequest,
    object: &Object,
    read: impl Fn(Range<u64>) -> F,
) -> Result<Option<Vec<String>>>
where
    F: Future<Output = Result<Body>>,
{
    let Some(csv) = &input.input_serialization.csv else {
        return Ok(None);
    };
    if csv.file_header_info.as_deref() != Some("USE") {
        return Ok(None);
    }
    let mut body = read(0..object.size.min(MAX_RECORD_BYTES as u64)).await?;
    let mut reader = super::csv::CsvReader::new(csv)?;
    let mut fields = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| Error::Damaged(error.to_string()))?.into_data() {
            reader.push(&data);
            if reader.next(false, &mut fields)? {
                return Ok(Some(fields));
            }
        }
    }
    reader.next(true, &mut fields)?;
    Ok(Some(fields))
}

struct Running {
    engine: Engine,
    unpacker: Unpacker,
    /// Away once it was read, or need not be read on.
    body: Option<Body>,
    progress: bool,
    scanned: i64,
    processed: i64,
    returned: i64,
    /// Events that are to be sent, the first one last.
    queue: Vec<SelectObjectContentEventStream>,
}

impl Running {
    async fn next(&mut self) -> Result<Option<SelectObjectContentEventStream>> {
        loop {
            if let Some(event) = self.queue.pop() {
                return Ok(Some(event));
            }
            if self.body.is_none() {
                return Ok(None);
            }
            while self.engine.out.len() < BATCH_BYTES && self.body.is_some() {
                self.read().await?;
            }
            self.enqueue();
        }
    }

    /// Takes one piece of the object, or its end.
    async fn read(&mut self) -> Result<()> {
        let Some(body) = &mut self.body else { return Ok(()) };
        let (engine, processed) = (&mut self.engine, &mut self.processed);
        let mut take = |bytes: &[u8]| {
            *processed += bytes.len() as i64;
            engine.push(bytes, false)?;
            Ok(!engine.done)
        };
        let ended = match body.frame().await {
            Some(frame) => {
                let frame = frame.map_err(|error| Error::Damaged(error.to_string()))?;
                if let Ok(data) = frame.into_data() {
                    self.scanned += data.len() as i64;
                    self.unpacker.push(&data, &mut take)?;
                }
                self.engine.done
            }
            None => {
                let rest = self.unpacker.finish()?;
                take(&rest)?;
                true
            }
        };
        if ended {
            self.engine.push(&[], true)?;
            self.body = None;
        }
        Ok(())
    }

    fn enqueue(&mut self) {
        let payload = std::mem::take(&mut self.engine.out);
        self.returned += payload.len() as i64;
        if self.body.is_none() {
            self.queue.push(SelectObjectContentEventStream::End(EndEvent {}));
            self.queue.push(SelectObjectContentEventStream::Stats(StatsEvent {
                details: Some(Stats {
                    bytes_scanned: Some(self.scanned),
                    bytes_processed: Some(self.processed),
                    bytes_returned: Some(self.returned),
                }),
            }));
        }
        if self.progress {
            self.queue.push(SelectObjectContentEventStream::Progress(ProgressEvent {
                details: Some(Progress {
                    bytes_scanned: Some(self.scanned),
                    bytes_processed: Some(self.processed),
                    bytes_returned: Some(self.returned),
                }),
            }));
        }
        if !payload.is_empty() {
            self.queue.push(SelectObjectContentEventStream::Records(RecordsEvent {
                payload: Some(Bytes::from(payload).into()),
            }));
        }
    }
}
