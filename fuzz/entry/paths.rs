//! libFuzzer's way into the target `paths`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(paths);
