//! libFuzzer's way into the target `launch`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(launch);
