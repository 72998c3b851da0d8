//! libFuzzer's way into the target `records`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(records);
