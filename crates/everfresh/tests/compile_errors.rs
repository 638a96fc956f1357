//! What the macros say of items that they cannot work on, and where. `TRYBUILD=overwrite` writes down what they say.
#![cfg(feature = "macros")]

#[test]
fn every_wrong_item_is_told_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
