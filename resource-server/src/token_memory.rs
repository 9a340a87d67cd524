//! Remembers verified tokens, because a client sends the same one many times and a signature costs fifty times as much
//! as a digest.

use std::collections::HashMap;
use std::mem;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_lc_rs::digest::{SHA256, digest};

use crate::claims::Claims;
use crate::key_cache::Generation;

/// Threads that remember different tokens rarely meet in one shard.
const SHARDS: usize = 16;

/// How many tokens a shard holds at most, in its two halves together: 8,192 in all shards.
const SHARD_TOKENS: usize = 512;

/// How many bytes of JSON the claims in a shard have at most, in its two halves together: 8 MiB in all shards. Claims of a usual
/// size take 1.2 kB each with all that holds them, and what a caller asks them for by name is made once and adds 2 kB.
const SHARD_BYTES: usize = 512 * 1024;

/// What a token is remembered by.
///
/// It has to be a digest that nobody finds a second text for: whoever had a genuine token and another text of the same digest
/// would be let in with the other one. SHA-256 takes 0.4 us of a token, a third of what a look costs. A short keyed hash is
/// quicker, and would need the token beside it to be compared; but so who reads the memory of this process finds nothing to send.
type Digest = [u8; 32];

/// The tokens that were verified lately; a bounded number of them.
///
/// Only that a token is genuine is remembered, and only as long as the same keys are in force. Whether its time has
/// come or gone is judged again at each use, and so has to be whatever else may change about it.
#[derive(Debug)]
pub(crate) struct TokenMemory {
    /// Readers share: one that is put to sleep by the system in the middle of a look holds up none of the others.
    shards: [RwLock<Shard>; SHARDS],
}

/// Tokens of late and tokens of earlier. When the late ones are too many they become the earlier ones, and what was
/// earlier and not used again is forgotten.
#[derive(Debug, Default)]
struct Shard {
    late: HashMap<Digest, Remembered>,
    late_bytes: usize,
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
            shards: std::array::from_fn(|_| RwLock::default()),
        }
    }

    pub(crate) fn digest(token: &str) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        bytes
    }

    /// The claims of a token that was verified with the keys of this generation.
    pub(crate) fn recall(&self, token: &Digest, generation: Generation) -> Option<Claims> {
        {
            let shard = self.read(token);
            if let Some(remembered) = shard.late.get(token) {
                return remembered.claims_of(generation);
            }
            shard.earlier.get(token)?;
        }
        let mut shard = self.write(token);
        // Somebody else may have been quicker: then it is a late one by now.
        let Some(remembered) = shard.earlier.remove(token) else {
            return shard.late.get(token)?.claims_of(generation);
        };
        let claims = remembered.claims_of(generation)?;
        shard.put(*token, remembered);
        Some(claims)
    }

    /// Remembers a token. `generation` has to have been read before the token was verified: if the keys changed
    /// meanwhile, the token is not taken for one of the new keys.
    pub(crate) fn keep(&self, token: Digest, generation: Generation, claims: Claims) {
        self.write(&token).put(token, Remembered { generation, claims });
    }

    fn read(&self, token: &Digest) -> RwLockReadGuard<'_, Shard> {
        self.shard(token).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, token: &Digest) -> RwLockWriteGuard<'_, Shard> {
        self.shard(token).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, token: &Digest) -> &RwLock<Shard> {
        &self.shards[usize::from(token[0]) % SHARDS]
    }
}

impl Shard {
    fn put(&mut self, token: Digest, remembered: Remembered) {
        let bytes = remembered.claims.json_bytes();
        if self.late.len() >= SHARD_TOKENS / 2 || self.late_bytes + bytes > SHARD_BYTES / 2 {
            self.earlier = mem::take(&mut self.late);
            self.late_bytes = 0;
        }
        self.late_bytes += bytes;
        if let Some(former) = self.late.insert(token, remembered) {
            self.late_bytes -= former.claims.json_bytes();
        }
    }
}

impl Remembered {
    fn claims_of(&self, generation: Generation) -> Option<Claims> {
        (self.generation == generation).then(|| self.claims.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SHARD_BYTES, SHARD_TOKENS, SHARDS, TokenMemory};
    use crate::claims::Claims;
    use crate::key_cache::Generation;
    use crate::test_support::{NOW, TestKey, claims_with, good_claims, key_set, verifier};

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
            .map(|shard| shard.read().unwrap())
            .map(|shard| shard.late.len() + shard.earlier.len())
            .sum();
        assert!(held <= SHARDS * SHARD_TOKENS, "{held}");
        assert!(
            memory.recall(&digest(1), FIRST).is_none(),
            "what nobody used is forgotten"
        );
        assert!(memory.recall(&digest(19_999), FIRST).is_some());
    }
    #[test]
    fn the_memory_is_bounded_by_the_size_of_what_the_tokens_say() {
        let memory = TokenMemory::new();
        let key = TestKey::es256("k1");
        let token = key.access_token(&claims_with("padding", json!("x".repeat(8 * 1024))));
        let large = verifier().verify(&token, &key_set(&[&key]), NOW).unwrap();
        for n in 0..20_000 {
            memory.keep(digest(n), FIRST, large.clone());
        }
        let shards = memory.shards.iter().map(|shard| shard.read().unwrap());
        let held: usize = shards.map(|shard| shard.late.len() + shard.earlier.len()).sum();
        assert!(held * large.json_bytes() <= SHARDS * SHARD_BYTES, "{held}");
        assert!(held > 500, "{held}");
    }

    #[test]
    fn the_memory_counts_a_token_that_is_kept_again_once() {
        let memory = TokenMemory::new();
        let claims = claims();
        for _ in 0..1_000_000 / claims.json_bytes() * 4 {
            memory.keep(digest(1), FIRST, claims.clone());
        }
        let shard = memory.shard(&digest(1)).read().unwrap();
        assert_eq!((shard.late.len(), shard.earlier.len()), (1, 0));
        assert_eq!(shard.late_bytes, claims.json_bytes());
    }

    #[test]
    fn a_token_of_earlier_is_forgotten_with_its_keys_too() {
        let memory = TokenMemory::new();
        let claims = claims();
        memory.keep(digest(0), FIRST, claims.clone());
        let shard = &memory.shards[usize::from(digest(0)[0]) % SHARDS];
        let others = (1..).filter(|n| digest(*n)[0] % 16 == digest(0)[0] % 16);
        for n in others.take(SHARD_TOKENS / 2) {
            memory.keep(digest(n), FIRST, claims.clone());
        }
        assert!(shard.read().unwrap().earlier.contains_key(&digest(0)));
        assert!(memory.recall(&digest(0), FIRST.next()).is_none());
        assert!(
            memory.recall(&digest(0), FIRST).is_none(),
            "it is not kept for later"
        );
    }
}
