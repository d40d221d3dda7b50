//! Amazon API Gateway: REST APIs, from their definition to the answer of a request.

pub mod shapes;
