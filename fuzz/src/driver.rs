//! Runs a target on a corpus and on mutations of the corpus, on any compiler.

use std::cell::RefCell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;

use super::mutation::{Random, mutated};

/// Runs that look for a shorter input with the same fault.
const SHORTENINGS: usize = 300;

/// What a target is: it panics on an input that shows a fault.
pub type Target = fn(&[u8]);

thread_local! {
    /// What a target that runs on this thread has panicked with; none while no target runs.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The inputs in `folder`, by name.
#[must_use]
pub fn corpus(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the corpus of a target is a folder");
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("the corpus can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(&path).expect("an input can be read"))
        })
        .collect();
    inputs.sort();
    inputs
}

/// Runs `target` on each of `inputs`.
///
/// # Panics
/// On the first that shows a fault, with the place of a short input that shows it too.
pub fn each(name: &str, target: Target, inputs: &[(String, Vec<u8>)]) {
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    for (input, bytes) in inputs {
        judge(name, target, bytes, &format!("`{input}` of the corpus"));
    }
}

/// Runs `target` on mutations of `inputs` until it `is_enough`; gives their number.
///
/// # Panics
/// As [`each`].
pub fn mutations(
    name: &str,
    target: Target,
    inputs: &[(String, Vec<u8>)],
    seed: u64,
    mut is_enough: impl FnMut(u64) -> bool,
) -> u64 {
    let corpus: Vec<Vec<u8>> = inputs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut random = Random::new(seed);
    let mut runs = 0;
    while !is_enough(runs) {
        let input = mutated(&corpus, &mut random);
        judge(name, target, &input, &format!("mutation {runs} of seed {seed}"));
        runs += 1;
    }
    runs
}

fn judge(name: &str, target: Target, input: &[u8], shown: &str) {
    if let Some(words) = fault(target, input) {
        let (short, words) = shortened(target, input.to_vec(), words);
        let path = kept(name, &short);
        panic!("{name} fails on {shown}: {words}\n{} bytes show the fault: {}", short.len(), path.display());
    }
}

/// What `target` says of `input` where it panics, and where.
fn fault(target: Target, input: &[u8]) -> Option<String> {
    keep_panics();
    PANICKED.set(Some(String::new()));
    let ran = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    let words = PANICKED.take().unwrap_or_default();
    ran.is_err().then_some(words)
}

/// Makes the panics of targets be kept, where those of all else are printed: a fault is met many times until it is short.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let printed = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            let is_kept =
                PANICKED.with_borrow_mut(|kept| kept.as_mut().map(|kept| *kept = panicked.to_string()).is_some());
            if !is_kept {
                printed(panicked);
            }
        }));
    });
}

/// A part of `input` that shows a fault too, whatever its words.
fn shortened(target: Target, mut input: Vec<u8>, mut words: String) -> (Vec<u8>, String) {
    let mut left = SHORTENINGS;
    let mut width = input.len() / 2;
    while width > 0 && left > 0 {
        let mut at = 0;
        while at < input.len() && left > 0 {
            left -= 1;
            let mut part = input.clone();
            part.drain(at..(at + width).min(input.len()));
            match fault(target, &part) {
                Some(said) => (input, words) = (part, said),
                None => at += width,
            }
        }
        width /= 2;
    }
    (input, words)
}

/// Keeps `input` where somebody can look at it.
fn kept(name: &str, input: &[u8]) -> PathBuf {
    let digest = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let path = std::env::temp_dir().join(format!("postback-fuzz-{name}-{digest:016x}"));
    fs::write(&path, input).expect("the folder for temporary files takes an input");
    path
}
