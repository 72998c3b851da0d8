//! libFuzzer's way into the target `tokens`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(tokens);
