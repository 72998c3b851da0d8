//! libFuzzer's way into the target `rpc`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(rpc);
