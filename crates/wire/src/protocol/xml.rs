//! XML bodies: restXml both ways, and the responses of awsQuery and ec2Query.
//!
//! No document type declaration is accepted, so there is nothing for an entity bomb to expand.

mod read;
mod write;

#[cfg(test)]
pub(crate) use read::Canonical;
pub(super) use read::{decode, parse, scalar};
pub(super) use write::{XmlWriter, scalar as format_scalar};
