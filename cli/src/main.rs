//! Entry point of `maasctl`.

fn main() {}
