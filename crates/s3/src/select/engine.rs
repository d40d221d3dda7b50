//! A query at work on the bytes of an object.

use danbi_core::Timestamp;
use time::OffsetDateTime;

use super::ast::{AggregateKind, Expr, Query, Select, Step};
use super::csv::{CsvReader, Header};
use super::error::refused;
use super::eval::{Row, Scope, arithmetic};
use super::json::{JsonReader, each_record};
use super::output::Writer;
use super::value::Value;
use crate::Result;
use crate::shapes::InputSerialization;

/// Takes bytes and gives records of the result. Holds one record of the input, and the result until it is taken.
pub(super) struct Engine {
    query: Query,
    reader: Reader,
    writer: Writer,
    /// The names of the result's columns.
    names: Vec<String>,
    /// The names of the input's columns, when it has any.
    columns: Vec<String>,
    sums: Vec<Sum>,
    fields: Vec<String>,
    left: u64,
    now: OffsetDateTime,
    /// Records that begin behind this byte are not looked at.
    end: u64,
    skipping: bool,
    pub(super) out: Vec<u8>,
    pub(super) done: bool,
}

enum Reader {
    Csv(CsvReader, Header),
    Json(JsonReader),
}

/// An aggregate so far.
#[derive(Clone)]
struct Sum {
    count: i64,
    value: Value,
}

/// Which part of an object is looked at.
pub(super) struct Window {
    /// Where the bytes that come begin.
    pub(super) offset: u64,
    /// Records that begin behind this byte are not looked at.
    pub(super) end: u64,
    /// Whether the record that is under way where the bytes begin belongs to another scan.
    pub(super) mid_record: bool,
}

impl Engine {
    /// # Errors
    /// What is wrong with the settings of input and output.
    pub(super) fn new(
        query: Query,
        input: &InputSerialization,
        writer: Writer,
        window: Window,
        now: Timestamp,
    ) -> Result<Self> {
        let mut reader = match (&input.csv, &input.json) {
            (Some(csv), None) => Reader::Csv(CsvReader::new(csv)?, CsvReader::header(csv)?),
            (None, Some(json)) => match json.r#type.as_deref() {
                Some("LINES") => Reader::Json(JsonReader::new(true)),
                Some("DOCUMENT") => Reader::Json(JsonReader::new(false)),
                _ => {
                    let message = "The JsonType is invalid. Only DOCUMENT and LINES are supported.";
                    return Err(refused("InvalidJsonType", message));
                }
            },
            _ => return Err(super::csv::parameter("InputSerialization")),
        };
        match &mut reader {
            Reader::Csv(csv, header) => {
                csv.offset = window.offset;
                if window.offset > 0 {
                    // The header lies before the window.
                    *header = Header::None;
                }
            }
            Reader::Json(json) => json.offset = window.offset,
        }
        let sum = |kind| Sum {
            count: 0,
            value: if kind == AggregateKind::Count {
                Value::Integer(0)
            } else {
                Value::Null
            },
        };
        let mut engine = Self {
            sums: query.aggregates.iter().map(|aggregate| sum(aggregate.kind)).collect(),
            left: query.limit.unwrap_or(u64::MAX),
            names: Vec::new(),
            columns: Vec::new(),
            fields: Vec::new(),
            now: now.to_datetime(),
            end: window.end,
            skipping: window.mid_record,
            out: Vec::new(),
            done: false,
            reader,
            writer,
            query,
        };
        engine.done = engine.left == 0;
        engine.name_result();
        if matches!(engine.reader, Reader::Csv(_, Header::None | Header::Ignore)) {
            engine.bind()?;
        }
        Ok(engine)
    }

    /// Gives names to the columns of a CSV whose header was read apart.
    pub(super) fn set_columns(&mut self, columns: Vec<String>) -> Result<()> {
        self.columns = columns;
        self.bind()
    }

    fn name_result(&mut self) {
        let Select::Items(items) = &self.query.select else {
            return;
        };
        let named = items
            .iter()
            .enumerate()
            .map(|(index, item)| match (&item.name, &item.expr) {
                (Some(name), _) => name.clone(),
                (None, Expr::Path(path)) => match path.last() {
                    Some(Step::Key { name, .. }) => name.clone(),
                    _ => format!("_{}", index + 1),
                },
                _ => format!("_{}", index + 1),
            });
        self.names = named.collect();
    }

    /// Finds out which column each path means.
    fn bind(&mut self) -> Result<()> {
        let columns = &self.columns;
        let mut wrong = None;
        self.query.each_expr(&mut |expr| {
            let Expr::Path(path) = expr else { return };
            let place = match path.as_slice() {
                [Step::Key { name, exact }] => place_of(name, *exact, columns),
                _ => None,
            };
            match place {
                Some(place) => *expr = Expr::Column(place),
                // The whole record has no place either, and is only ever absent.
                None if path.is_empty() => {}
                None => {
                    wrong = path.iter().find_map(|step| match step {
                        Step::Key { name, .. } => Some(name.clone()),
                        Step::Index(_) | Step::Each => None,
                    })
                }
            }
        });
        match wrong {
            Some(name) => Err(refused(
                "InvalidColumnIndex",
                format!("The column index or name {name} in the SQL expression is invalid."),
            )),
            None => Ok(()),
        }
    }

    /// Takes the next bytes; what they come to is added to `out`. `last`: no more come.
    ///
    /// # Errors
    /// What is wrong with the records, and with the query for them.
    pub(super) fn push(&mut self, bytes: &[u8], last: bool) -> Result<()> {
        match &mut self.reader {
            Reader::Csv(reader, _) => reader.push(bytes),
            Reader::Json(reader) => reader.push(bytes),
        }
        if self.skipping {
            let found = match &mut self.reader {
                Reader::Csv(reader, _) => reader.skip_record(),
                Reader::Json(reader) => reader.skip_line(),
            };
            if !found {
                return Ok(());
            }
            self.skipping = false;
        }
        while !self.done && self.next_record(last)? {}
        if last && !self.query.aggregates.is_empty() {
            self.write_aggregates()?;
        }
        Ok(())
    }

    /// Whether there was a record.
    fn next_record(&mut self, last: bool) -> Result<bool> {
        match &mut self.reader {
            Reader::Csv(reader, header) => {
                if reader.offset > self.end {
                    self.done = true;
                    return Ok(false);
                }
                let mut fields = std::mem::take(&mut self.fields);
                let found = reader.next(last, &mut fields)?;
                let header = std::mem::replace(header, if found { Header::None } else { *header });
                if found && header == Header::Use {
                    self.set_columns(fields)?;
                } else {
                    if found && header == Header::None {
                        self.take(Row::Fields(&fields))?;
                    }
                    self.fields = fields;
                }
                Ok(found)
            }
            Reader::Json(reader) => {
                if reader.offset > self.end {
                    self.done = true;
                    return Ok(false);
                }
                let Some(document) = reader.next(last)? else {
                    return Ok(false);
                };
                let from = self.query.from.clone();
                each_record(&document, &from, &mut |record| {
                    self.take(Row::Json(record))?;
                    Ok(!self.done)
                })?;
                Ok(true)
            }
        }
    }

    fn take(&mut self, row: Row<'_>) -> Result<()> {
        let scope = Scope {
            row,
            aggregates: &[],
            now: self.now,
        };
        if let Some(filter) = &self.query.filter
            && filter.eval(&scope)?.truth() != Some(true)
        {
            return Ok(());
        }
        if !self.query.aggregates.is_empty() {
            for (aggregate, sum) in self.query.aggregates.iter().zip(&mut self.sums) {
                let value = match &aggregate.of {
                    Some(of) => of.eval(&scope)?,
                    None => Value::Integer(1),
                };
                sum.add(aggregate.kind, value)?;
            }
            return Ok(());
        }
        match (&self.query.select, row) {
            (Select::Items(items), _) => {
                let values = items
                    .iter()
                    .map(|item| item.expr.eval(&scope))
                    .collect::<Result<Vec<_>>>()?;
                // A whole record among the items is written as its own columns when it is alone.
                match (values.as_slice(), items.as_slice()) {
                    ([Value::Json(serde_json::Value::Object(members))], [item])
                        if item.expr == Expr::Path(Vec::new()) && item.name.is_none() =>
                    {
                        let names: Vec<_> = members.keys().cloned().collect();
                        let values: Vec<_> = members.values().map(Value::of_json).collect();
                        self.writer.write(&names, &values, &mut self.out);
                    }
                    _ => self.writer.write(&self.names, &values, &mut self.out),
                }
            }
            (Select::All, Row::Json(serde_json::Value::Object(members))) => {
                let names: Vec<_> = members.keys().cloned().collect();
                let values: Vec<_> = members.values().map(Value::of_json).collect();
                self.writer.write(&names, &values, &mut self.out);
            }
            (Select::All, Row::Json(other)) => {
                self.writer
                    .write(&["_1".to_owned()], &[Value::of_json(other)], &mut self.out);
            }
            (Select::All, Row::Fields(fields)) => {
                // A record may have more fields than those before.
                while self.names.len() < fields.len() {
                    let index = self.names.len();
                    let name = self.columns.get(index).cloned();
                    self.names.push(name.unwrap_or_else(|| format!("_{}", index + 1)));
                }
                let values: Vec<_> = fields.iter().map(|field| Value::Text(field.clone())).collect();
                self.writer.write(&self.names, &values, &mut self.out);
            }
        }
        self.left -= 1;
        self.done = self.left == 0;
        Ok(())
    }

    fn write_aggregates(&mut self) -> Result<()> {
        let Select::Items(items) = &self.query.select else {
            return Ok(());
        };
        let kinds = self.query.aggregates.iter().map(|aggregate| aggregate.kind);
        let values = self
            .sums
            .iter()
            .zip(kinds)
            .map(|(sum, kind)| sum.result(kind))
            .collect::<Result<Vec<_>>>()?;
        let scope = Scope {
            row: Row::Fields(&[]),
            aggregates: &values,
            now: self.now,
        };
        let values = items
            .iter()
            .map(|item| item.expr.eval(&scope))
            .collect::<Result<Vec<_>>>()?;
        if self.left > 0 {
            self.writer.write(&self.names, &values, &mut self.out);
        }
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, kind: AggregateKind, value: Value) -> Result<()> {
        if value.is_absent() {
            return Ok(());
        }
        self.count += 1;
        self.value = match (kind, std::mem::replace(&mut self.value, Value::Null)) {
            (AggregateKind::Count, _) => Value::Integer(self.count),
            (AggregateKind::Sum | AggregateKind::Average, Value::Null) => {
                arithmetic(super::ast::Operator::Add, Value::Integer(0), value)?
            }
            (AggregateKind::Sum | AggregateKind::Average, so_far) => {
                arithmetic(super::ast::Operator::Add, so_far, value)?
            }
            // Numbers that are spelled compare as numbers.
            (_, Value::Null) => value.number().unwrap_or(value),
            (kind, so_far) => {
                let value = value.number().unwrap_or(value);
                let order = value.compare(&so_far);
                let better = match kind {
                    AggregateKind::Least => order.is_some_and(std::cmp::Ordering::is_lt),
                    _ => order.is_some_and(std::cmp::Ordering::is_gt),
                };
                if better { value } else { so_far }
            }
        };
        Ok(())
    }

    fn result(&self, kind: AggregateKind) -> Result<Value> {
        match (kind, self.value.as_float()) {
            (AggregateKind::Average, Some(sum)) => Ok(Value::Float(sum / self.count as f64)),
            _ => Ok(self.value.clone()),
        }
    }
}

/// The place of a column by its name or as `_N`.
fn place_of(name: &str, exact: bool, columns: &[String]) -> Option<usize> {
    let by_name = columns.iter().position(|column| column == name);
    let by_name = by_name.or_else(|| {
        let alike = |column: &String| !exact && column.eq_ignore_ascii_case(name);
        columns.iter().position(alike)
    });
    by_name.or_else(|| name.strip_prefix('_')?.parse::<usize>().ok()?.checked_sub(1))
}
