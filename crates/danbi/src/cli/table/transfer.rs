//! `danbi table import` and `export`: files of items, a page at a time.

use super::plain::{plain_item, read, typed_item};
use super::{Format, TransferArgs, csv};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::platform::{Platform, TableKey};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::time::Duration;

/// Items of one request, which DynamoDB bounds.
const BATCH: usize = 25;
/// The longest line, in bytes: an item has at most 400 KB.
const MAX_LINE: u64 = 4 * 1024 * 1024;
/// The pause before items that were not taken are sent again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How often they are sent again.
const ATTEMPTS: u32 = 10;

/// Runs `import`.
pub async fn import(args: TransferArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot import {}", args.file.display());
    let platform = Platform::find(&args.target).await?;
    let key = platform.table_key(&args.table, None).await?;
    let (input, bytes): (Box<dyn Read>, u64) = if args.is_standard() {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(&args.file).map_err(|error| Failure::new(&what, error))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        (Box::new(file), bytes)
    };
    let bar = output.bar("importing", bytes);
    let mut source = ItemSource::new(BufReader::new(bar.wrap_read(input)), args.format());
    let mut batch = Batch {
        platform: &platform,
        table: &args.table,
        key: &key,
        items: Vec::new(),
        keys: HashSet::new(),
        stored: 0,
    };
    let at = |line: u64| format!("{what} at line {line}");
    while let Some(item) = source.next().map_err(|error| Failure::new(at(source.line), error))? {
        let line = source.line;
        let typed = typed_item(&item, &key).map_err(|failure| failure.next(format!("see line {line}")))?;
        batch.add(typed).await?;
    }
    batch.flush().await?;
    output.done();
    let stored = batch.stored;
    output.line(format!("stored {stored} items in {}", args.table));
    output.document(&json!({"table": args.table, "stored": stored}));
    Ok(())
}

/// Items of a file, one after the other.
struct ItemSource<R> {
    input: R,
    format: Format,
    header: Option<Vec<String>>,
    /// The line or record last read, from one.
    line: u64,
}

impl<R: BufRead> ItemSource<R> {
    fn new(input: R, format: Format) -> Self {
        Self {
            input,
            format,
            header: None,
            line: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<Value>> {
        match self.format {
            Format::Jsonl => self.next_line(),
            Format::Csv => self.next_record(),
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Value>> {
        loop {
            self.line += 1;
            let mut line = String::new();
            if (&mut self.input).take(MAX_LINE).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line.len() as u64 == MAX_LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line is longer than 4 MiB",
                ));
            }
            let line = line.trim_start_matches(csv::BYTE_ORDER_MARK);
            if !line.trim().is_empty() {
                let item = read(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                return Ok(Some(item));
            }
        }
    }

    fn next_record(&mut self) -> io::Result<Option<Value>> {
        if self.header.is_none() {
            self.line += 1;
            self.header = csv::read_header(&mut self.input)?;
        }
        let Some(header) = &self.header else { return Ok(None) };
        self.line += 1;
        let Some(fields) = csv::read_record(&mut self.input)? else {
            return Ok(None);
        };
        if fields.len() != header.len() {
            let why = format!("{} fields under {} names", fields.len(), header.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let values = header
            .iter()
            .zip(&fields)
            .filter_map(|(name, field)| Some((name.clone(), csv::value(field)?)));
        Ok(Some(Value::Object(values.collect())))
    }
}

/// Items on their way.
struct Batch<'b> {
    platform: &'b Platform,
    table: &'b str,
    key: &'b TableKey,
    items: Vec<Value>,
    keys: HashSet<String>,
    stored: usize,
}

impl Batch<'_> {
    /// Adds an item. Of several with one key the last stands, so they do not go in one request.
    async fn add(&mut self, item: Value) -> Result<(), Failure> {
        let sort = self.key.sort.as_ref().map(|(name, _)| &item[name]);
        let key = json!([item[&self.key.partition.0], sort]).to_string();
        if self.items.len() == BATCH || self.keys.contains(&key) {
            self.flush().await?;
        }
        self.keys.insert(key);
        self.items.push(item);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let items = std::mem::take(&mut self.items);
        self.keys.clear();
        if items.is_empty() {
            return Ok(());
        }
        let count = items.len();
        let requests: Vec<Value> = items.iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
        let mut left = json!({self.table: requests});
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let input = json!({"RequestItems": left});
            let answer = self
                .platform
                .dynamodb("cannot store the items", "BatchWriteItem", &input)
                .await?;
            match &answer["UnprocessedItems"] {
                Value::Object(unprocessed) if !unprocessed.is_empty() => left = json!(unprocessed),
                _ => {
                    self.stored += count;
                    return Ok(());
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Failure::new(
            "cannot store the items",
            "the platform takes no more of them at the moment",
        )
        .next("import the file again later: what is there is stored once more"))
    }
}

/// Runs `export`.
pub async fn export(args: TransferArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot export to {}", args.file.display());
    let platform = Platform::find(&args.target).await?;
    let header = match args.format() {
        Format::Csv => Some(names(&platform, &args.table, &output).await?),
        Format::Jsonl => None,
    };
    let destination: Box<dyn Write> = if args.is_standard() {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&args.file).map_err(|error| Failure::new(&what, error))?)
    };
    let failed = |error: io::Error| Failure::new(&what, error);
    let mut destination = BufWriter::new(destination);
    if let Some(header) = &header {
        writeln!(destination, "{}", csv::record(header)).map_err(failed)?;
    }
    let mut written = 0usize;
    let mut pages = Pages::of(&args.table);
    while let Some(items) = pages.next(&platform).await? {
        for item in &items {
            let line = match &header {
                None => item.to_string(),
                Some(header) => {
                    let field = |name: &String| item.get(name).map(csv::field).unwrap_or_default();
                    csv::record(&header.iter().map(field).collect::<Vec<_>>())
                }
            };
            writeln!(destination, "{line}").map_err(failed)?;
        }
        written += items.len();
        output.step(format!("{written} items"));
    }
    destination.flush().map_err(failed)?;
    output.done();
    if !args.is_standard() {
        output.line(format!("wrote {written} items of {}", args.table));
        output.document(&json!({"table": args.table, "written": written}));
    }
    Ok(())
}

/// The names of all attributes: the key's first, the others in their order.
async fn names(platform: &Platform, table: &str, output: &Output) -> Result<Vec<String>, Failure> {
    let key = platform.table_key(table, None).await?;
    output.step("looking for all attribute names");
    let mut others = BTreeSet::new();
    let mut pages = Pages::of(table);
    while let Some(items) = pages.next(platform).await? {
        let names = items.iter().filter_map(Value::as_object).flat_map(Map::keys);
        others.extend(names.filter(|name| key.kind(name).is_none()).cloned());
    }
    let key_names = std::iter::once(key.partition).chain(key.sort).map(|(name, _)| name);
    Ok(key_names.chain(others).collect())
}

/// The plain items of a table, page by page.
struct Pages {
    input: Option<Value>,
}

impl Pages {
    fn of(table: &str) -> Self {
        Self {
            input: Some(json!({"TableName": table, "ConsistentRead": true})),
        }
    }

    async fn next(&mut self, platform: &Platform) -> Result<Option<Vec<Value>>, Failure> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let page = platform.dynamodb("cannot read the items", "Scan", &input).await?;
        if let Some(last) = page.get("LastEvaluatedKey") {
            input["ExclusiveStartKey"] = last.clone();
            self.input = Some(input);
        }
        Ok(Some(
            page["Items"].as_array().into_iter().flatten().map(plain_item).collect(),
        ))
    }
}
