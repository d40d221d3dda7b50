//! What becomes of objects with time: the rules of a bucket (`validate`, `rules`), and how long their days are.

mod configure;
mod days;
mod expiration;
mod rules;
#[cfg(test)]
mod tests;
mod transition;
mod validate;
mod worker;

pub use days::Days;

pub(crate) use configure::{delete, get, put};
pub(crate) use expiration::header;
pub(crate) use worker::run;
