//! Randomness from the operating system. Handlers draw it and pass it on; pure code takes it as an argument.

use aws_lc_rs::rand;

/// `N` unpredictable bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system's random source works");
    bytes
}
