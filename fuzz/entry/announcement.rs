//! libFuzzer's way into the target `announcement`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(announcement);
