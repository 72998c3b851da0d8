//! libFuzzer's way into the target `conf`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(conf);
