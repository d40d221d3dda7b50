//! `DescribeLimits` and `DescribeEndpoints`.

use crate::{DynamoDb, shapes};
use danbi_core::{RequestContext, ServiceError};
use std::sync::Arc;

/// AWS's default quotas of capacity units. They do not bind here.
const ACCOUNT_UNITS: i64 = 80_000;
const TABLE_UNITS: i64 = 40_000;
/// How long a client may remember an endpoint.
const CACHE_MINUTES: i64 = 1440;

/// `DescribeLimits`.
pub(crate) async fn limits(
    _dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    _input: shapes::DescribeLimitsInput,
) -> Result<shapes::DescribeLimitsOutput, ServiceError> {
    Ok(shapes::DescribeLimitsOutput {
        account_max_read_capacity_units: Some(ACCOUNT_UNITS),
        account_max_write_capacity_units: Some(ACCOUNT_UNITS),
        table_max_read_capacity_units: Some(TABLE_UNITS),
        table_max_write_capacity_units: Some(TABLE_UNITS),
    })
}

/// `DescribeEndpoints`: the address that the caller reached.
pub(crate) async fn endpoints(
    _dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    _input: shapes::DescribeEndpointsRequest,
) -> Result<shapes::DescribeEndpointsResponse, ServiceError> {
    Ok(shapes::DescribeEndpointsResponse {
        endpoints: vec![shapes::Endpoint {
            address: context.host.clone(),
            cache_period_in_minutes: CACHE_MINUTES,
        }],
    })
}
