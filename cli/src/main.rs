//! Entry point of `maasctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    maasctl::run(std::env::args_os().collect())
}
