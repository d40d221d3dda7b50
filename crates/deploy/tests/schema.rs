//! The published schema is the one that the code reads by. `UPDATE=1` writes it anew.

use std::path::Path;

#[test]
fn the_published_schema_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/danbi.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(
            &path,
            format!("{}\n", serde_json::to_string_pretty(&danbi_deploy::schema()).unwrap()),
        )
        .unwrap();
    }
    let published: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        published == danbi_deploy::schema(),
        "docs/danbi.schema.json is stale: run this test with UPDATE=1"
    );
}
