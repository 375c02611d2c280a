//! Placeholder until the tool is merged.
fn main() {}
