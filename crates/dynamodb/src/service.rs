//! The operations, each with what it asks the authorizer for.

use crate::items::{batch, query, scan, single, transactions};
use crate::shapes::operations as op;
use crate::{DynamoDb, access, refusal};
use danbi_core::ServiceError;
use danbi_wire::Service;
use std::sync::Arc;

/// The largest request body: DynamoDB's 16 MB, for BatchWriteItem.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What is no value that DynamoDB keeps is told apart from JSON of another shape, which the wire words itself.
fn refused_value(message: &str) -> Option<ServiceError> {
    Some(refusal(message)).filter(|error| error.code == "ValidationException")
}

impl DynamoDb {
    /// The operations of DynamoDB.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&danbi_wire::models::DYNAMODB, Arc::clone(self))
            .body_limit(BODY_BYTES)
            .json_refusals(refused_value)
            .on_json(op::GetItem, access::get_item, single::get)
            .on_json(op::PutItem, access::put_item, single::put)
            .on_json(op::UpdateItem, access::update_item, single::update)
            .on_json(op::DeleteItem, access::delete_item, single::delete)
            .on_json(op::Query, access::query, query::query)
            .on_json(op::Scan, access::scan, scan::scan)
            .on_json(op::BatchGetItem, access::batch_get, batch::get)
            .on_json(op::BatchWriteItem, access::batch_write, batch::write)
            .on_json(op::TransactGetItems, access::transact_get, transactions::get)
            .on_json(op::TransactWriteItems, access::transact_write, transactions::write)
            .build()
    }

    /// The operations of DynamoDB Streams.
    pub fn streams_service(self: &Arc<Self>) -> Service {
        Service::builder(&danbi_wire::models::DYNAMODB_STREAMS, Arc::clone(self)).build()
    }
}
