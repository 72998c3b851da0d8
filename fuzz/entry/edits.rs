//! libFuzzer's way into the target `edits`.
#![cfg_attr(fuzzing, no_main)]

maas_fuzz::entry!(edits);
