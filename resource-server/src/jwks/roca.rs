//! Tells RSA keys whose primes come from a faulty generator (CVE-2017-15361, "ROCA").
//!
//! The generator made primes of the form `k·M + (65537^a mod M)`, where `M` is the product of the first primes. So the modulus
//! is a power of 65537 modulo each of these, which hardly ever happens by chance, and can be factored.

/// Where the powers of 65537 are not all there is, so that being one of them says something.
const TELLING: [u32; 17] = [
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Whether a modulus (big-endian) has the fingerprint of the generator. One of 240 million others has it by chance.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    TELLING.iter().all(|&prime| {
        let remainder = modulus
            .iter()
            .fold(0, |remainder, &byte| (remainder * 256 + u32::from(byte)) % prime);
        is_power_of_65537(remainder, prime)
    })
}

fn is_power_of_65537(number: u32, prime: u32) -> bool {
    let step = 65_537 % prime;
    let mut power = 1;
    loop {
        if power == number {
            return true;
        }
        power = power * step % prime;
        if power == 1 {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{TELLING, has_fingerprint, is_power_of_65537};
    use crate::test_support::TestKey;

    #[test]
    fn some_remainders_tell_and_some_do_not() {
        for prime in TELLING {
            let powers = (0..prime).filter(|&number| is_power_of_65537(number, prime));
            assert!(powers.count() < prime as usize - 1, "{prime} tells nothing");
        }
    }

    #[test]
    fn a_modulus_of_the_faulty_form_is_told_and_a_real_one_is_not() {
        // 65537 itself, and its powers, are of the form with k = 0.
        assert!(has_fingerprint(&[1, 0, 1]));
        assert!(has_fingerprint(&[1, 0, 2, 0, 1]));
        let jwk = TestKey::rsa("k1").jwk();
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        assert!(!has_fingerprint(&modulus));
    }
}
