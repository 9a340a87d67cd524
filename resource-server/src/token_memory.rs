//! Remembers verified tokens, because a client sends the same one many times and a signature costs fifty times as much
//! as a digest.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use crate::claims::Claims;
use crate::key_cache::Generation;

/// Threads that remember different tokens rarely meet in one shard.
const SHARDS: usize = 16;

/// How many tokens a shard holds at most, in its two halves together.
const SHARD_TOKENS: usize = 512;

/// What a token is remembered by: who reads the memory of this process finds nothing to send.
type Digest = [u8; 32];

/// The tokens that were verified lately; a bounded number of them.
///
/// Only that a token is genuine is remembered, and only as long as the same keys are in force. Whether its time has
/// come or gone is judged again at each use.
#[derive(Debug)]
pub(crate) struct TokenMemory {
    shards: [Mutex<Shard>; SHARDS],
}

/// Tokens of late and tokens of earlier. When the late ones are too many they become the earlier ones, and what was
/// earlier and not used again is forgotten.
#[derive(Debug, Default)]
struct Shard {
    late: HashMap<Digest, Remembered>,
    earlier: HashMap<Digest, Remembered>,
}

#[derive(Debug)]
struct Remembered {
    generation: Generation,
    claims: Claims,
}

impl TokenMemory {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub(crate) fn digest(token: &str) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        bytes
    }

    /// The claims of a token that was verified with the keys of this generation.
    pub(crate) fn recall(&self, token: &Digest, generation: Generation) -> Option<Claims> {
        let mut shard = self.shard(token);
        if let Some(remembered) = shard.late.get(token) {
            return remembered.claims_of(generation);
        }
        let remembered = shard.earlier.remove(token)?;
        let claims = remembered.claims_of(generation)?;
        shard.put(*token, remembered);
        Some(claims)
    }

    /// Remembers a token. `generation` has to have been read before the token was verified: if the keys changed
    /// meanwhile, the token is not taken for one of the new keys.
    pub(crate) fn keep(&self, token: Digest, generation: Generation, claims: Claims) {
        self.shard(&token).put(token, Remembered { generation, claims });
    }

    fn shard(&self, token: &Digest) -> MutexGuard<'_, Shard> {
        let shard = usize::from(token[0]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn put(&mut self, token: Digest, remembered: Remembered) {
        if self.late.len() >= SHARD_TOKENS / 2 {
            self.earlier = mem::take(&mut self.late);
        }
        self.late.insert(token, remembered);
    }
}

impl Remembered {
    fn claims_of(&self, generation: Generation) -> Option<Claims> {
        (self.generation == generation).then(|| self.claims.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{SHARD_TOKENS, SHARDS, TokenMemory};
    use crate::claims::Claims;
    use crate::key_cache::Generation;
    use crate::test_support::{NOW, TestKey, good_claims, key_set, verifier};

    const FIRST: Generation = Generation::FIRST;

    fn claims() -> Claims {
        let key = TestKey::es256("k1");
        verifier()
            .verify(&key.access_token(&good_claims()), &key_set(&[&key]), NOW)
            .unwrap()
    }

    fn digest(n: usize) -> [u8; 32] {
        TokenMemory::digest(&n.to_string())
    }

    #[test]
    fn a_token_is_remembered_by_every_byte_of_it() {
        let memory = TokenMemory::new();
        memory.keep(TokenMemory::digest("a.b.c"), FIRST, claims());
        assert_eq!(
            memory
                .recall(&TokenMemory::digest("a.b.c"), FIRST)
                .unwrap()
                .subject(),
            "alice"
        );
        for other in ["a.b.d", "a.b.c ", "a.b.", ""] {
            assert!(
                memory.recall(&TokenMemory::digest(other), FIRST).is_none(),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_token_is_forgotten_with_the_keys_that_vouched_for_it() {
        let memory = TokenMemory::new();
        memory.keep(digest(1), FIRST, claims());
        assert!(memory.recall(&digest(1), FIRST.next()).is_none());
        memory.keep(digest(1), FIRST.next(), claims());
        assert!(memory.recall(&digest(1), FIRST.next()).is_some());
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let memory = TokenMemory::new();
        let claims = claims();
        memory.keep(digest(0), FIRST, claims.clone());
        for n in 1..20_000 {
            memory.keep(digest(n), FIRST, claims.clone());
            if n % 100 == 0 {
                assert!(
                    memory.recall(&digest(0), FIRST).is_some(),
                    "still in use after {n} others"
                );
            }
        }
        let held: usize = memory
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap())
            .map(|shard| shard.late.len() + shard.earlier.len())
            .sum();
        assert!(held <= SHARDS * SHARD_TOKENS, "{held}");
        assert!(
            memory.recall(&digest(1), FIRST).is_none(),
            "what nobody used is forgotten"
        );
        assert!(memory.recall(&digest(19_999), FIRST).is_some());
    }
}
