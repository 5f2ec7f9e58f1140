//! Does the fuzz targets' own corpus pass, with the targets' own code? What the fuzzer once found
//! stays found.

use std::{fs, path::Path};

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzzer")]
mod targets;

/// Runs the files of one target's corpus; each must be there to be run.
#[expect(clippy::print_stdout, reason = "the last one that is named is the one that fails")]
fn corpus(target: &str, least: usize, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("the corpus is committed");
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    assert!(files.len() >= least, "{} files in the corpus of {target}", files.len());
    for file in files {
        println!("{}", file.display());
        run(&fs::read(&file).expect("a file of the corpus"));
    }
}

#[test]
fn the_corpus_of_configurations_builds_or_is_refused() {
    corpus("config", 20, targets::config);
}

#[test]
fn the_corpus_of_scripts_keeps_every_promise() {
    corpus("script", 20, targets::script);
}

/// Without the fuzzer's guidance: bytes by SplitMix64, many times.
#[test]
fn random_bytes_keep_every_promise() {
    let rounds = crate::support::from_environment("PANELBOARD_CASES", 2_000);
    let mut state = crate::support::from_environment("PANELBOARD_SEED", 1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for _ in 0..rounds {
        let length = next() % 50;
        let bytes: Vec<u8> = (0..length).flat_map(|_| next().to_le_bytes()).collect();
        targets::config(&bytes);
        targets::script(&bytes);
    }
}
