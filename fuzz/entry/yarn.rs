//! libFuzzer's way into the target `yarn`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(yarn);
