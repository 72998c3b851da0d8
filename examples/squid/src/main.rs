//! The pipeline.
fn main() {}
