//! Any text as a token. Whoever writes it has no key, so nothing may be accepted.
#![no_main]

use fuzz::{KEYS, NOW, VERIFIERS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    for verifier in VERIFIERS.iter() {
        let verdict = verifier.verify(token, &KEYS, NOW);
        assert!(verdict.is_err(), "accepted: {token}");
        // One input, one verdict.
        assert_eq!(verdict.err(), verifier.verify(token, &KEYS, NOW).err());
    }
});
