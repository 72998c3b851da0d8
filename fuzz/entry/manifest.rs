//! libFuzzer's way into the target `manifest`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(manifest);
