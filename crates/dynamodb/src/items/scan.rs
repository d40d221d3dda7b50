//! Scan: a table or an index from one end to the other, or one of many equal parts of it.

use super::capacity::{Detail, Kind};
use super::members::{self, Violations};
use super::page::{self, Page, Source, Wanted};
use super::parameters::{self, Given};
use super::select;
use super::view::View;
use crate::expression::{Condition, Parameter, Placeholders};
use crate::keys::{self, Space};
use crate::shapes::{ScanInput, ScanOutput};
use crate::tables::catalog::TableRef;
use crate::tables::record::BillingMode;
use crate::{DynamoDb, Error, legacy};
use danbi_core::RequestContext;
use danbi_store::Direction;
use std::sync::Arc;

/// Parts that a scan may be divided into.
const MAX_SEGMENTS: i32 = 1_000_000;

pub(crate) async fn scan(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: ScanInput,
) -> Result<ScanOutput, Error> {
    check(&input)?;
    let mut placeholders = Placeholders::new(
        input.expression_attribute_names.as_ref(),
        input.expression_attribute_values.as_ref(),
    )?;
    let filter = match &input.filter_expression {
        Some(text) => Some(Condition::parse(Parameter::Filter, text, &mut placeholders)?),
        None => legacy::filter(input.scan_filter.as_ref(), input.conditional_operator.as_deref())?,
    };
    let projection = parameters::projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;

    let snapshot = dynamodb.store.snapshot().await?;
    let table = TableRef::parse(&context, &input.table_name)?;
    let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
    let index = select::index(&table, input.index_name.as_ref(), input.consistent_read)?;
    let start = input
        .exclusive_start_key
        .as_ref()
        .map(|start| select::start(&table, index, start))
        .transpose()?;
    let wanted = select::wanted(&table, index, input.select.as_deref(), projection.as_ref())?;
    select::check_paths(&table, projection.as_ref(), filter.as_ref())?;

    let prefix = match index {
        None => keys::space(table.id, Space::Item, 0),
        Some(index) => keys::index(table.id, index.id),
    };
    // Bounded by the model: 0 ≤ segment < total ≤ a million.
    let (segment, total) = (
        input.segment.unwrap_or(0) as u32,
        input.total_segments.unwrap_or(1) as u32,
    );
    let mut range = keys::segment(&prefix, segment, total);
    if let Some(start) = start {
        if !range.contains(&start) {
            return Err(Error::validation(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with \
                 correct Segment. TotalSegments: {total} Segment: {segment}"
            )));
        }
        range = range.after(&start);
    }
    let source = Source {
        table: &table,
        index,
        range,
        direction: Direction::Forward,
        limit: input.limit.map(|limit| limit as usize),
        wanted,
        filter: filter.as_ref(),
        projection: projection.as_ref(),
    };
    // The digest of a partition key follows the prefix.
    let first = source
        .range
        .start()
        .get(prefix.len())
        .map_or(0, |byte| usize::from(byte >> 6));
    dynamodb.admit_read(&table, index)?;
    let page = page::read(View::Snapshot(&snapshot), &source).await?;
    let scanned = (index.is_none() && table.billing == BillingMode::OnDemand)
        .then(|| first..=last_quarter(&page, segment, total).max(first));
    let usage = select::charge(&table, index, &page, scanned, input.consistent_read);
    dynamodb.pay_read(&table, &usage);
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    Ok(ScanOutput {
        consumed_capacity: usage.report(detail, &input.table_name, Kind::Plain),
        items: (wanted != Wanted::Count).then_some(page.items),
        count: Some(page.count as i32),
        scanned_count: Some(page.scanned as i32),
        last_evaluated_key: page.last,
    })
}

/// The last quarter that a page went through: that of its last item, or the last of its segment.
fn last_quarter(page: &Page, segment: u32, total: u32) -> usize {
    let quarters = select::ON_DEMAND_PARTITIONS;
    match page.last {
        Some(_) => page.quarters.iter().rposition(|&bytes| bytes > 0).unwrap_or(0),
        None => {
            (quarters * (segment as usize + 1))
                .div_ceil(total as usize)
                .clamp(1, quarters)
                - 1
        }
    }
}

fn check(input: &ScanInput) -> Result<(), Error> {
    let mut violations = Violations::of_table(&input.table_name);
    violations.index(input.index_name.as_ref());
    violations.attributes_to_get(input.attributes_to_get.as_ref());
    violations.within("limit", input.limit, 1, i32::MAX);
    violations.one_of("select", input.select.as_ref(), members::SELECT);
    violations.one_of(
        "conditionalOperator",
        input.conditional_operator.as_ref(),
        members::OPERATOR,
    );
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.within("totalSegments", input.total_segments, 1, MAX_SEGMENTS);
    violations.within("segment", input.segment, 0, MAX_SEGMENTS - 1);
    violations.finish()?;
    Given {
        expressions: &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
        ],
        others: &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("ScanFilter", input.scan_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        names: input.expression_attribute_names.is_some(),
        values: input.expression_attribute_values.is_some(),
    }
    .check()?;
    let asking = match (&input.attributes_to_get, &input.projection_expression) {
        (Some(_), _) => Some("AttributesToGet"),
        (None, Some(_)) => Some("ProjectionExpression"),
        (None, None) => None,
    };
    select::check_select(input.select.as_deref(), asking, input.index_name.is_some(), "Scanning")?;
    match (input.segment, input.total_segments) {
        (Some(_), None) => Err(Error::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(Error::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(Error::validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        ))),
        _ => Ok(()),
    }
}
