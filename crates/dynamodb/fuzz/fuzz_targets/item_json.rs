//! Bytes are an item in typed JSON or are refused; what is one comes back as it was.
#![no_main]

use danbi_dynamodb::{Item, item_size, refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match serde_json::from_slice::<Item>(bytes) {
    Ok(item) => {
        item_size(&item);
        let text = serde_json::to_string(&item).expect("an item has a JSON form");
        assert_eq!(serde_json::from_str::<Item>(&text).expect("it is read again"), item);
    }
    Err(error) => drop(refusal(&error.to_string())),
});
