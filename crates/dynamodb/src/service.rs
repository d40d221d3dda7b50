//! The operations, each with what it asks the authorizer for.

use crate::DynamoDb;
use danbi_wire::Service;
use std::sync::Arc;

impl DynamoDb {
    /// The operations of DynamoDB.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&danbi_wire::models::DYNAMODB, Arc::clone(self)).build()
    }

    /// The operations of DynamoDB Streams.
    pub fn streams_service(self: &Arc<Self>) -> Service {
        Service::builder(&danbi_wire::models::DYNAMODB_STREAMS, Arc::clone(self)).build()
    }
}
