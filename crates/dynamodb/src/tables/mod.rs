//! Tables: what is kept of them ([`record`]) and how they are found ([`catalog`]).

pub(crate) mod catalog;
pub(crate) mod record;
