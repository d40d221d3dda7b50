//! Every text is a statement or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    danbi_dynamodb::read_statement(text);
});
