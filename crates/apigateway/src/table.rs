//! The table of operations: what each one asks for, and who answers it.

mod apis;
mod elements;
mod service;

use crate::ApiGateway;
use danbi_wire::Service;
use std::sync::Arc;

/// The control plane, for the wire.
pub(crate) fn service(gateway: &Arc<ApiGateway>) -> Service {
    let table = Service::builder(&danbi_wire::models::APIGATEWAY, Arc::clone(gateway));
    service::add(elements::add(apis::add(table))).build()
}
