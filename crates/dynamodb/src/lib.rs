//! Amazon DynamoDB: tables, items and streams.

mod shapes;
mod stream_shapes;
mod value;

pub use value::AttributeValue;
