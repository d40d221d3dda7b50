//! What becomes of objects with time: the rules of a bucket (`validate`, `rules`), and how long their days are.

mod days;
mod rules;
mod validate;

pub use days::Days;
