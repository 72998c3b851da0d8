//! libFuzzer's way into the target `quantities`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(quantities);
