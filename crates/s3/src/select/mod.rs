//! SelectObjectContent: SQL over the records of one object, while its bytes are read.
//!
//! CSV and JSON (lines and documents), plain or GZIP, in; CSV or JSON out, as a stream of events. Memory does not grow
//! with the object: what is held is one record and a batch of results. A query runs for as long as its client listens.
//!
//! Not built, and said so: Parquet, BZIP2.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_SelectObjectContent.html>.

mod ast;
mod csv;
mod engine;
mod error;
mod eval;
mod functions;
mod input;
mod json;
mod lexer;
mod output;
mod parse;
mod run;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use run::select;
