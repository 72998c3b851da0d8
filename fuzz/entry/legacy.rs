//! libFuzzer's way into the target `legacy`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(legacy);
